"""The manifests on a real Kubernetes: one node, built from source, in namespaces of its own."""
