#!/usr/bin/env bash
# Every static check: lint, format, types, shell.
set -euo pipefail

cd "$(dirname "$0")/.."
bin=.venv/bin

mapfile -t scripts < <(grep --recursive --files-with-matches --extended-regexp --max-count=1 '^#!/(usr/bin/env bash|bin/sh)$' \
    .ci s2i tools tests sample-models | sort)

"$bin/ruff" check .
"$bin/ruff" format --check .
"$bin/mypy"
"$bin/shellcheck" "${scripts[@]}"
echo "check: ruff, mypy and shellcheck (${#scripts[@]} scripts) have nothing to say"
