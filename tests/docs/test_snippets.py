"""What the docs show is tested, and what is public is documented."""

from __future__ import annotations

import ast
import functools
import json
import re
from pathlib import Path

import pytest

import chanx
import chanx.testing
from chanx.testing import connect
from docs.snippets.howto import wire

# Snippets that are tests themselves: they run here, on both backends like all others.
from docs.snippets.howto.test_chat import *  # noqa: F403
from docs.snippets.howto.test_history import *  # noqa: F403
from docs.snippets.howto.test_stream import *  # noqa: F403
from docs.snippets.howto.test_topics import *  # noqa: F403

ROOT = Path(__file__).parents[2]
SNIPPETS = ROOT / "docs" / "snippets"
PAGES = sorted((ROOT / "docs").rglob("*.md"))
README = (ROOT / "README.md").read_text("utf-8")
FILES = sorted(SNIPPETS.rglob("*.py"))
TESTS = sorted(Path(__file__).parent.glob("test_*.py"))
PUBLIC = [
    *(f"chanx.{name}" for name in chanx.__all__),
    *(f"chanx.testing.{name}" for name in chanx.testing.__all__),
    *("chanx.groups.redis.RedisLayer", "chanx.compat.redis_layer.RedisChannelLayer"),
]

pytestmark = pytest.mark.anyio


def included(page: str) -> list[str]:
    """The files that a page takes code from."""
    return re.findall(r'--8<-- "([^":]+)', page)


@functools.cache
def functions() -> set[str]:
    return {
        node.name
        for path in (*TESTS, *SNIPPETS.rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize("path", [path for path in FILES if not path.stem.startswith("test_")], ids=lambda p: p.stem)
def test_each_snippet_has_a_test_of_its_name(path: Path) -> None:
    wanted = f"test_{path.stem}"
    assert any(name == wanted or name.startswith(wanted + "_") for name in functions())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_snippet_is_shown(path: Path) -> None:
    name = path.relative_to(ROOT).as_posix()
    assert name in included(shown()), f"no page shows {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_include_code_and_do_not_copy_it(page: Path) -> None:
    copied = re.findall(r"```python\n(?! *--8<--)(.*)", page.read_text("utf-8"))
    assert copied == [], "put the code into a file under docs/snippets, with a test"


def test_the_readme_shows_the_tested_file() -> None:
    assert re.findall(r"```python\n(.*?)```", README, re.DOTALL) == [(SNIPPETS / "chat.py").read_text("utf-8")]


def test_the_readme_has_a_place_for_the_benchmark() -> None:
    block = README.partition("<!-- benchmarks:begin -->")[2].partition("<!-- benchmarks:end -->")[0]
    assert block.strip().startswith("```text\n")
    assert block.strip().endswith("```")


def test_the_readme_links_to_what_is_there() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@functools.cache
def used() -> set[str]:
    """All names that snippets use."""
    trees = [ast.parse(path.read_text("utf-8")) for path in FILES]
    return {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}


@functools.cache
def shown() -> str:
    """All pages."""
    return "\n".join(page.read_text("utf-8") for page in PAGES)


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_is_in_the_reference(name: str) -> None:
    reference = "\n".join(page.read_text("utf-8") for page in (ROOT / "docs" / "reference").glob("*.md"))
    assert re.search(rf"^::: {re.escape(name)}$", reference, re.MULTILINE)


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_has_an_example(name: str) -> None:
    assert name.rpartition(".")[2] in used(), f"no file under docs/snippets uses {name}"


def exchanges() -> list[list[str]]:
    page = (ROOT / "docs" / "reference" / "wire.md").read_text("utf-8")
    return [block.strip().splitlines() for block in re.findall(r"```text\n(> .*?)```", page, re.DOTALL)]


@pytest.mark.parametrize("lines", exchanges(), ids=lambda lines: lines[0][2:40])
async def test_wire(lines: list[str]) -> None:
    """Each exchange on the wire page, line by line: `>` is the client, `<` the server."""
    async with connect(wire.app, raise_app_exceptions=False) as client:
        for line in lines:
            if line.startswith("> "):
                await client.send(line[2:])
            else:
                assert line.startswith("< ")
                assert await client.receive() == json.loads(line[2:])
        await client.settled()
        assert client.pending == []


def test_wire_has_exchanges() -> None:
    assert len(exchanges()) >= 5
