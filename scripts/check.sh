#!/usr/bin/env bash
# Everything that `make check` looks at. All steps run, so that one run tells all there is to mend.
set -uo pipefail
cd "$(dirname "$0")/.."

py=.venv/bin/python
failed=()

step() {
    local name="$1"
    shift
    echo "== $name"
    "$@" || failed+=("$name")
}

# From its own folder: a path below this one is excluded, as those of the projects without types are.
types_of_rooms() (
    root="$PWD"
    cd examples/django_rooms || return
    MYPYPATH="$root" "$root/$py" -m mypy --strict --config-file "$root/pyproject.toml" -p config -p rooms
)

step "ruff check" "$py" -m ruff check .
step "ruff format" "$py" -m ruff format --check .
step "mypy --strict" "$py" -m mypy --strict --config-file pyproject.toml
step "mypy --strict, examples/django_rooms" types_of_rooms
# Named, or a pyrightconfig.json in any folder above would be taken in its place.
step "pyright" "$py" -m pyright --project pyproject.toml --pythonpath "$py"
step "types as users see them" "$py" -m pytest -q -m typing tests/kernel tests/clients
step "architecture" "$py" -m pytest -q tests/test_architecture.py
step "docs" "$py" -m mkdocs build --strict --quiet

if [ "${#failed[@]}" -gt 0 ]; then
    printf 'FAILED: %s\n' "${failed[@]}" >&2
    exit 1
fi
echo "All checks passed."
