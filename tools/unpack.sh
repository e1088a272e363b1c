#!/usr/bin/env bash
# Gets a Debian package, unpacked and not installed (a server would be started as a service), and prints its folder:
# unpack.sh PACKAGE
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
folder=$root/build/debian/$1

if [ ! -d "$folder" ]; then
    command -v apt-get >/dev/null || {
        echo "unpack: there is no apt here to get $1 from" >&2
        exit 3
    }
    part=$(mktemp -d "$root/build/unpack.XXXXXX")
    trap 'rm -rf "$part"' EXIT
    chmod 755 "$part"
    cd "$part"
    # The lists of a new machine are old or empty.
    apt-get download -qq "$1" >&2 2>/dev/null || { apt-get update -qq >&2 || true; apt-get download -qq "$1" >&2; }
    dpkg-deb --extract "$1"_*.deb whole
    mkdir -p "$(dirname "$folder")"
    mv -T whole "$folder"
fi
echo "$folder"
