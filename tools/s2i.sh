#!/usr/bin/env bash
# Builds the real s2i at the version that tools/s2i/go.mod pins, and prints its path.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
binary=$root/build/bin/s2i
wanted=$(sed -n 's/^go //p' "$root/tools/s2i/go.mod")

command -v go >/dev/null || {
    echo "s2i: Go >= $wanted is needed to build s2i and is not on PATH. Install it" >&2
    exit 3
}
if [ ! -x "$binary" ] || [ "$root/tools/s2i/go.mod" -nt "$binary" ]; then
    echo "s2i: building it (half a minute, once)" >&2
    (cd "$root/tools/s2i" && CGO_ENABLED=0 go build -o "$binary" github.com/openshift/source-to-image/cmd/s2i) >&2
    # go build keeps an unchanged binary's time.
    touch "$binary"
fi
echo "$binary"
