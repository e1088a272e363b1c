#!/usr/bin/env bash
# Takes the documentation's pictures anew, by the tests that hold what is in them, into docs/img: pictures.sh
set -euo pipefail

cd "$(dirname "$0")/.."
.venv/bin/python -m pytest tests/e2e/test_page.py -k "picture or form_is_filled or error_is_shown or there_is_to_read"
mkdir -p docs/img
cp build/pictures/shown/*.png docs/img/
