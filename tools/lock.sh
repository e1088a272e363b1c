#!/usr/bin/env bash
# Writes requirements/*.txt and the builder's locks anew: lock.sh [--as-of 2026-01-31T00:00:00Z] (default: last midnight, UTC).
set -euo pipefail

cd "$(dirname "$0")/.."
exec .venv/bin/python tools/lock.py "$@"
