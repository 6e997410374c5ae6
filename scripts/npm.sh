#!/usr/bin/env bash
# What the suite needs from npm (tests/asyncapi/package.json), in .venv/npm: `scripts/npm.sh`, after scripts/venv.sh.
# Nothing is done while it holds what that file names. Where it cannot be installed the tests that need it are
# skipped; with --must, and always in CI, that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

must="${CI:-}"
[ "${1:-}" = --must ] && must=yes

wanted=tests/asyncapi/package.json
made=.venv/npm
if [ -d "$made/node_modules" ] && cmp -s "$wanted" "$made/package.json"; then
    exit 0
fi

# Made beside its place and moved there, so that neither an interrupted run nor another one at the same time
# leaves half of it behind.
new="$(mktemp -d "$(cd .venv && pwd -P)/npm.XXXXXX")"
trap 'rm -rf "$new"' EXIT
cp "$wanted" "$new/package.json"
echo "Installing what $wanted names with npm"
if (cd "$new" && npm install --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error) >"$new/log" 2>&1; then
    rm -rf "$made"
    # Not mv, which would move into a folder that another run has put there meanwhile.
    .venv/bin/python -c 'import os, sys; os.rename(*sys.argv[1:])' "$new" "$made" 2>/dev/null || [ -d "$made/node_modules" ]
    exit 0
fi
echo "npm install failed; its last lines:" >&2
tail -n 5 "$new/log" >&2
if [ -n "$must" ]; then
    exit 1
fi
echo "What needs it will be skipped, and listed as skipped." >&2
