#!/usr/bin/env bash
# Installs Debian packages that are missing, and asks nothing: apt-install.sh PACKAGE...
set -euo pipefail

missing=()
for package in "$@"; do
    dpkg-query --show --showformat='${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} = 0 ] && exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "apt-install: missing: ${missing[*]}. Install them, or run as root on a machine with apt" >&2
    exit 3
fi
export DEBIAN_FRONTEND=noninteractive
# The lists of a new machine are old or empty. Some other source of the machine's may not be reached: the install will tell.
apt-get update -qq >&2 || true
apt-get install -qq --yes --no-install-recommends "${missing[@]}" >&2 </dev/null
