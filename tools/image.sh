#!/usr/bin/env bash
# Builds the two images, the S2I builder and the one that bundles are laid on: image.sh [BUILDER_TAG [RUNTIME_TAG]].
# BASE_IMAGE names the base (default: a Debian one made here, as root), BASE_PYTHON its Python (default python3),
# ENGINE the command (docker, podman).
set -euo pipefail

cd "$(dirname "$0")/.."
builder=${1:-modelcast-builder}
runtime=${2:-modelcast-runtime}
engine=${ENGINE:-docker}
python=${BASE_PYTHON:-python3}

base=${BASE_IMAGE:-$(tools/base-image.sh)}
version=$("$engine" run --rm --entrypoint "$python" "$base" -c 'import platform; print(platform.python_version())') || {
    echo "image: $base does not run $python. Say BASE_PYTHON=python3.12, or take a base with Python >= 3.11" >&2
    exit 1
}
.venv/bin/python tools/wheelhouse.py "$version"
release=$(sed -n 's/^version = "\(.*\)"$/\1/p' builder/pyproject.toml)

# BuildKit is not on every machine, and the Containerfile does not need it.
for pair in "runtime $runtime" "builder $builder"; do
    DOCKER_BUILDKIT=0 "$engine" build --force-rm --file Containerfile --target "${pair% *}" --tag "${pair#* }" \
        --build-arg BASE_IMAGE="$base" --build-arg PYTHON="$python" --build-arg VERSION="$release" .
done
