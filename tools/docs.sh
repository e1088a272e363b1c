#!/usr/bin/env bash
# Builds the documentation into build/site, in an environment of its own; a dead link is an error: docs.sh
set -euo pipefail

cd "$(dirname "$0")/.."
environment=build/docs-environment
lock=requirements/docs.txt

if ! cmp --silent "$lock" "$environment/lock"; then
    .venv/bin/uv venv --quiet --clear --python .venv/bin/python "$environment"
    VIRTUAL_ENV=$environment .venv/bin/uv pip install --quiet --only-binary :all: --require-hashes --requirement "$lock"
    cp "$lock" "$environment/lock"
fi
"$environment/bin/python" -m sphinx --builder html --fail-on-warning --keep-going --nitpicky --quiet \
    --doctree-dir build/doctrees docs build/site
echo "docs: build/site/index.html"
