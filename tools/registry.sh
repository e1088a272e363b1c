#!/usr/bin/env bash
# Gets a real image registry, Debian's docker-registry, and prints the path of its program. It is unpacked and not
# installed: the package would start it as a service.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
folder=$root/build/registry
program=$folder/usr/bin/docker-registry

if [ ! -x "$program" ]; then
    command -v apt-get >/dev/null || {
        echo "registry: there is no apt here to get docker-registry from" >&2
        exit 3
    }
    mkdir -p "$folder"
    cd "$folder"
    # The lists of a new machine are old or empty.
    apt-get download -qq docker-registry >&2 2>/dev/null || { apt-get update -qq >&2 || true; apt-get download -qq docker-registry >&2; }
    dpkg-deb --extract docker-registry_*.deb .
    rm docker-registry_*.deb
fi
echo "$program"
