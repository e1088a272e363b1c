#!/usr/bin/env bash
# Gets a real image registry, Debian's docker-registry, and prints the path of its program.
set -euo pipefail

folder=$("$(dirname "$0")/unpack.sh" docker-registry)
echo "$folder/usr/bin/docker-registry"
