#!/usr/bin/env bash
# Builds Kubernetes at the version that tools/kube/go.mod pins, and crane, which carries images; prints their folder.
# Six minutes of two cores and 4 GB of Go's caches the first time; kept outside of the checkout, by what they are made of.
set -euo pipefail

cd "$(dirname "$0")"
recipe=$(cat kube-binaries.sh kube/go.* kube/pause/main.go crane/go.* | sha256sum | cut -c1-12)
binaries=${XDG_CACHE_HOME:-$HOME/.cache}/modelcast-kube/$recipe

command -v go >/dev/null || {
    echo "kube-binaries: Go >= $(sed -n 's/^go //p' kube/go.mod) is needed and is not on PATH. Install it" >&2
    exit 3
}
if [ ! -e "$binaries/whole" ]; then
    echo "kube-binaries: building Kubernetes (six minutes, once)" >&2
    version=$(sed -n 's/^\tk8s.io\/kubernetes //p' kube/go.mod)
    # Without a version its own clients take the server for a broken one.
    stamp=k8s.io/component-base/version
    flags="-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=$(cut -d. -f2 <<<"$version")"
    mkdir -p "$binaries"
    export CGO_ENABLED=0
    (cd kube && go build -o "$binaries/" -ldflags "$flags" ./pause \
        k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubelet,kube-proxy,kubectl}) >&2
    (cd crane && go build -o "$binaries/" github.com/google/go-containerregistry/cmd/crane) >&2
    touch "$binaries/whole"
fi
echo "$binaries"
