#!/usr/bin/env bash
# Makes .venv with everything that the other targets need, from nothing but a Python: setup.sh [PYTHON]
set -euo pipefail

cd "$(dirname "$0")/.."
python=${1:-python3}

fail() {
    echo "setup: $1" >&2
    exit 3
}

command -v "$python" >/dev/null || fail "$python is not on PATH. Install Python >= 3.11, or say make PYTHON=/path/to/python"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python >= 3.11 is needed, $python is $("$python" --version). Say make PYTHON=python3.12"
"$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python has no venv or ensurepip. On Debian: apt-get install python3-venv"

# uv itself comes by pip, held by the same hashes as everything else.
"$python" -m venv --clear .venv
mkdir -p build
awk '/^uv==/ { found = 1 } found { print } found && !/\\$/ { exit }' requirements/dev.txt >build/uv.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement build/uv.txt
export VIRTUAL_ENV=$PWD/.venv
.venv/bin/uv pip install --quiet --require-hashes --requirement requirements/dev.txt
.venv/bin/uv pip install --quiet --no-deps --no-build-isolation --editable runtime --editable builder
touch .venv/ready
