#!/usr/bin/env bash
# Make .venv fit for one use: `scripts/venv.sh demo` (the package and a server) or `scripts/venv.sh dev` (everything).
# Nothing is done while .venv/.stamp-<use> still names the pyproject.toml it was made from.
set -euo pipefail
cd "$(dirname "$0")/.."

use="${1:?usage: scripts/venv.sh demo|dev}"
venv=.venv
want="$(cksum <pyproject.toml)"

fits() { # is this program a Python that chanx runs on?
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

can_make_venvs() {
    fits "$1" && "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.14 python; do
        if [ -n "$candidate" ] && can_make_venvs "$candidate"; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

if [ -e "$venv" ] && ! fits "$venv/bin/python"; then
    echo "$venv holds $("$venv/bin/python" -V 2>&1 || echo 'no working Python'), and chanx needs 3.11 or newer." >&2
    echo "Remove it (rm -rf $venv) and run the same command again." >&2
    exit 1
fi

# What serves the suite serves the demo too.
for stamp in "$venv/.stamp-$use" "$venv/.stamp-dev"; do
    if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$want" ]; then
        exit 0
    fi
done

if [ ! -e "$venv/bin/python" ]; then
    if ! python="$(find_python)"; then
        scripts/system.sh --must python3 python3-venv
        if ! python="$(find_python)"; then
            echo "No Python of 3.11 or newer with the venv module was found; name one: make ... PYTHON=/path/to/python3" >&2
            exit 1
        fi
    fi
    echo "Making $venv with $("$python" -V)"
    "$python" -m venv "$venv"
fi

echo "Installing chanx for '$use' into $venv"
"$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >/dev/null
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[$use]"
echo "$want" >"$venv/.stamp-$use"
