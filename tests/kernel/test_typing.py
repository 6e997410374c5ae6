"""The public types under mypy and pyright: what must pass, and what must be found, on the very line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.typing

ROOT = Path(__file__).parents[2]
FILES = ROOT / "tests" / "typing"


def mypy() -> dict[str, set[int]]:
    """Lines with errors, by file name."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--no-error-summary", "--hide-error-context"]
    files = map(str, FILES.glob("*.py"))
    done = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, set[int]] = {}
    for name, line in re.findall(r"^(\S+?\.py):(\d+): error:", done.stdout, re.MULTILINE):
        found.setdefault(name.replace("\\", "/").rpartition("/")[2], set()).add(int(line))
    return found


def pyright() -> dict[str, set[int]]:
    """Lines with errors, by file name."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--project", str(FILES), "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(list(FILES.glob("*.py")))
    found: dict[str, set[int]] = {}
    for one in report["generalDiagnostics"]:
        if one["severity"] == "error":
            found.setdefault(Path(one["file"]).name, set()).add(one["range"]["start"]["line"] + 1)
    return found


@pytest.mark.parametrize("checker", [mypy, pyright], ids=["mypy", "pyright"])
def test_errors_are_on_the_marked_lines_only(checker: object, request: pytest.FixtureRequest) -> None:
    if checker is pyright:
        request.getfixturevalue("node")
    expected: dict[str, set[int]] = {}
    for path in FILES.glob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        if marked := {number for number, line in enumerate(lines, 1) if line.endswith("  # error")}:
            expected[path.name] = marked
    assert len(expected["bad.py"]) > 20
    assert "good.py" not in expected
    assert (mypy if checker is mypy else pyright)() == expected
