#!/usr/bin/env bash
# Programs that pip cannot bring: `scripts/system.sh [--must] NAME...` with the names of the list below. What is
# missing is installed with apt-get where that is possible (root, Debian or a relative of it) and named where it
# is not. With --must, and always in CI, a program that stays missing is a failure.
set -euo pipefail

must="${CI:-}"
if [ "${1:-}" = --must ]; then
    must=yes
    shift
fi

present() {
    case "$1" in
    chromium)
        command -v "${CHANX_CHROMIUM:-chromium}" || command -v chromium-browser || command -v google-chrome
        ;;
    node) command -v node ;;
    python3-venv) python3 -c 'import ensurepip, venv' ;;
    *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

package() {
    case "$1" in
    node) echo nodejs ;;
    *) echo "$1" ;;
    esac
}

missing=()
for name in "$@"; do
    present "$name" || missing+=("$name")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    log="$(mktemp)"
    apt-get update >"$log" 2>&1 || tail -n 5 "$log" >&2
    for name in "${missing[@]}"; do # one by one: a name that is not to be had must not keep the others away
        echo "Installing $(package "$name") with apt-get"
        if ! apt-get install --yes --no-install-recommends "$(package "$name")" >"$log" 2>&1; then
            echo "apt-get failed; its last lines:" >&2
            tail -n 5 "$log" >&2
        fi
    done
    rm -f "$log"
fi

status=0
for name in "${missing[@]}"; do
    if ! present "$name"; then
        echo "MISSING: $name (Debian package: $(package "$name")). It cannot be installed from here; please install it." >&2
        [ -n "$must" ] && status=1
    fi
done
if [ "$status" -eq 0 ]; then
    for name in "${missing[@]}"; do
        present "$name" || echo "What needs $name will be skipped, and listed as skipped." >&2
    done
fi
exit "$status"
