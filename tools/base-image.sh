#!/usr/bin/env bash
# Makes the Debian image that the builder image stands on, without pulling anything, and prints its name.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
suite=bookworm
packages=bash,ca-certificates,coreutils,findutils,libgomp1,python3,python3-venv,tar

# Named by what made it: the same recipe is not made twice, and a changed one is never mistaken for the old.
recipe=$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-12)
image=modelcast-base:$suite-$recipe
tar=$root/build/base.tar

if ! docker image inspect "$image" >/dev/null 2>&1; then
    "$root/tools/apt-install.sh" mmdebstrap
    echo "base-image: making $image" >&2
    # A file in between: the engine would import and tag what a failing mmdebstrap had written so far.
    mkdir -p "$root/build"
    # $1 is the new root, filled in by mmdebstrap.
    # shellcheck disable=SC2016
    mmdebstrap --quiet --variant=minbase --include="$packages" --aptopt='Acquire::Languages "none"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-include=/usr/share/doc/*/copyright' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
        "$suite" "$tar"
    docker import --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$tar" "$image" >&2
    rm "$tar"
fi
echo "$image"
