"""The direction of imports in chanx, kept by reading them.

Each file stands on one line of `LINES`. A line imports from lines above it (smaller numbers) and from itself,
never from below, and no two files import each other, however long the way round. Imports inside functions count:
they happen at run time all the same. Imports under `if TYPE_CHECKING:` do not: they never run, so they can make
neither a cycle nor a heavier `import chanx`, and an annotation may well name the thing that will hold it.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "chanx"

# The file or folder as written here, without `.py`; a longer name goes before a shorter one.
LINES: dict[int, tuple[str, ...]] = {
    0: ("types", "exceptions", "_process"),
    1: ("params", "codecs/protocol", "groups/history", "groups/layer", "groups/members"),
    2: (
        *("_signature", "_values", "_inject", "_compile", "_dispatch", "_plan", "_questions", "_registered", "_source"),
        *("_frames", "_units", "_topics/frames", "_topics/pattern"),
    ),
    3: (
        *("codecs", "groups", "connection", "context"),
        *("_ahead", "_answers", "_asks", "_chunks", "_control", "_drain", "_gate", "_handshake", "_inbox", "_late"),
        *("_lifecycle", "_membership", "_outbox", "_publish", "_queue", "_room", "_runs", "_runtime", "_scoped"),
        *("_service", "_serving", "_silence", "_states", "_stream", "_streams", "_suspended", "_topics", "_writers"),
    ),
    4: ("router", "_sigterm", "_publisher", "_registry", "__init__"),
    5: ("asyncapi", "testing", "messages", "compat", "static", "constants"),
    6: ("clients", "channels", "playground", "settings", "utils", "core", "generic", "fast_channels", "routing"),
    7: ("cli",),
}
KERNEL = 4  # the last line that `import chanx` may load

# What the kernel may import from other projects when it is itself imported.
KERNEL_PACKAGES = {"pydantic", "pydantic_core", "msgspec", "anyio", "starlette", "asgiref", "typing_extensions"}
# Line 2 decides and compiles; it neither waits nor talks, and knows no event loop.
WITHOUT_IO = 2
EVENT_LOOPS = {"anyio", "asyncio", "trio", "sniffio"}

# Import paths of older chanx: they only pass names on.
OLD_PATHS = ("core", "generic", "fast_channels", "routing")
OLD_PATH_LENGTH = 12

LENGTH = 400

NEVER_WITH_KERNEL = ("django", "redis", "click", "fastapi", "channels", "jinja2", "httpx", "pytest")


def files(root: Path) -> dict[str, Path]:
    """Every Python file below `root` by its name as `LINES` writes it; a package's `__init__` as the folder."""
    found: dict[str, Path] = {}
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).with_suffix("").as_posix()
        found[name.removesuffix("/__init__")] = path
    return found


def line_of(name: str) -> int | None:
    """The line that a file stands on: that of its longest listed beginning."""
    parts = name.split("/")
    for length in range(len(parts), 0, -1):
        beginning = "/".join(parts[:length])
        for line, names in LINES.items():
            if beginning in names:
                return line
    return None


def run_time_nodes(node: ast.AST, *, into_functions: bool) -> Iterator[ast.AST]:
    """The nodes below `node` that run, without what stands under `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in {
            name.id if isinstance(name, ast.Name) else name.attr
            for name in ast.walk(child.test)
            if isinstance(name, ast.Name | ast.Attribute)
        }:
            for other in child.orelse:
                yield other
                yield from run_time_nodes(other, into_functions=into_functions)
            continue
        if not into_functions and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield child
        yield from run_time_nodes(child, into_functions=into_functions)


def modules(name: str, path: Path, *, into_functions: bool = True) -> Iterator[tuple[int, str, list[str]]]:
    """Each import that runs: its line number, the absolute module, the names taken from it."""
    package = ["chanx", *name.split("/")]
    if name == "__init__":
        package = ["chanx"]
    elif path.name != "__init__.py":
        package.pop()
    for node in run_time_nodes(ast.parse(path.read_text("utf-8"), str(path)), into_functions=into_functions):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, []
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - (node.level - 1)] if node.level else []
            module = ".".join([*base, node.module] if node.module else base)
            yield node.lineno, module, [alias.name for alias in node.names]


def own_imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[tuple[int, str]]:
    """The files of chanx that a file imports, by name. `from pkg import module` is an import of the module."""

    def as_file(module: str) -> str:
        return module.removeprefix("chanx").removeprefix(".").replace(".", "/") or "__init__"

    for line, module, names in modules(name, path):
        if module.split(".")[0] != "chanx":
            continue
        inside = {as_file(f"{module}.{taken}") for taken in names} & known.keys()
        yield from ((line, file) for file in sorted(inside))
        if not names or len(inside) < len(names):
            target = as_file(module)
            while target not in known and "/" in target:  # `import chanx.types.Name` is no file: the module holds it
                target = target.rpartition("/")[0]
            yield line, target


def foreign_imports(name: str, path: Path) -> Iterator[tuple[int, str]]:
    """The packages of other projects that a file imports while it is imported itself."""
    for line, module, _ in modules(name, path, into_functions=False):
        top = module.split(".")[0]
        if top != "chanx" and top not in sys.stdlib_module_names:
            yield line, top


def unlisted(root: Path) -> list[str]:
    return [f"{name}: in no line of LINES" for name in files(root) if line_of(name) is None]


def against_direction(root: Path) -> list[str]:
    known = files(root)
    wrong: list[str] = []
    for name, path in known.items():
        own = line_of(name)
        for number, target in own_imports(name, path, known):
            other = line_of(target)
            if own is not None and other is not None and other > own:
                wrong.append(f"{name}:{number} (line {own}) imports {target} (line {other})")
    return wrong


def cycles(root: Path) -> list[str]:
    known = files(root)
    graph = {
        name: sorted({target for _, target in own_imports(name, path, known) if target in known and target != name})
        for name, path in known.items()
    }
    found: list[str] = []
    done: set[str] = set()

    def walk(name: str, way: list[str]) -> None:
        if name in way:
            found.append(" -> ".join([*way[way.index(name) :], name]))
            return
        if name in done:
            return
        for target in graph[name]:
            walk(target, [*way, name])
        done.add(name)

    for name in graph:
        walk(name, [])
    return found


def wrong_packages(root: Path) -> list[str]:
    wrong: list[str] = []
    for name, path in files(root).items():
        own = line_of(name)
        if own is None or own > KERNEL:
            continue
        wrong += [
            f"{name}:{number} imports {package}, which is no dependency of the kernel"
            for number, package in foreign_imports(name, path)
            if package not in KERNEL_PACKAGES
        ]
        if own <= WITHOUT_IO:
            wrong += [
                f"{name}:{number} (line {own}) imports {module}, and knows no event loop"
                for number, module, _ in modules(name, path)
                if module.split(".")[0] in EVENT_LOOPS
            ]
    return wrong


def too_long(root: Path) -> list[str]:
    wrong: list[str] = []
    for name, path in files(root).items():
        limit = OLD_PATH_LENGTH if name.split("/")[0] in OLD_PATHS else LENGTH
        length = len(path.read_text("utf-8").splitlines())
        if length > limit:
            wrong.append(f"{name}: {length} lines, at most {limit}; split it")
    return wrong


RULES = (unlisted, against_direction, cycles, wrong_packages, too_long)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_chanx_keeps_the_rule(rule: Callable[[Path], list[str]]) -> None:
    assert files(ROOT), "chanx has files"
    assert rule(ROOT) == []


def test_import_chanx_loads_the_kernel_only() -> None:
    """In a process of its own: this one has loaded everything already."""
    code = "import sys, chanx; print('\\n'.join(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=True)
    loaded = ran.stdout.split()
    assert [name for name in loaded if name.split(".")[0] in NEVER_WITH_KERNEL] == []
    ours = [name.removeprefix("chanx.").replace(".", "/") for name in loaded if name.startswith("chanx.")]
    assert [name for name in ours if (line_of(name) or 0) > KERNEL] == []


# The rules themselves, on small trees that break them.


def tree(root: Path, **sources: str) -> Path:
    for name, source in sources.items():
        path = root / (name.replace("__in__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return root


def test_a_file_in_no_line_is_found(tmp_path: Path) -> None:
    assert unlisted(tree(tmp_path, types="", surprise="")) == ["surprise: in no line of LINES"]
    assert unlisted(tree(tmp_path / "b", surprise__in____init__="")) == ["surprise: in no line of LINES"]


@pytest.mark.parametrize(
    "source",
    [
        "from .router import Channel",
        "from chanx.router import Channel",
        "import chanx.router",
        "from . import router",
        "from chanx import router",
        "def later():\n    from .router import Channel",
        "try:\n    from .router import Channel\nexcept ImportError:\n    pass",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    from .router import Channel",
    ],
)
def test_an_import_from_below_is_found(tmp_path: Path, source: str) -> None:
    wrong = against_direction(tree(tmp_path, __init__="", router="", params=source))
    assert len(wrong) == 1
    assert wrong[0].endswith("(line 1) imports router (line 4)")


def test_an_import_for_types_only_is_free(tmp_path: Path) -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .router import Channel"
    assert against_direction(tree(tmp_path, router="", params=source)) == []


def test_an_import_from_above_or_beside_is_allowed(tmp_path: Path) -> None:
    root = tree(tmp_path, types="", context="from .types import X", connection="from .context import Context")
    assert against_direction(root) == []
    assert cycles(root) == []


def test_a_relative_import_out_of_a_folder_is_followed(tmp_path: Path) -> None:
    root = tree(tmp_path, router="", groups__in__layer="from ..router import Channel", groups__in____init__="")
    assert against_direction(root) == ["groups/layer:1 (line 1) imports router (line 4)"]


def test_a_cycle_is_found_however_long(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        context="from .connection import C",
        connection="from ._outbox import O",
        _outbox="def f():\n    from .context import C",
    )
    assert cycles(root) == ["_outbox -> context -> connection -> _outbox"]


def test_a_foreign_package_in_the_kernel_is_found(tmp_path: Path) -> None:
    root = tree(tmp_path, context="import redis", router="def f():\n    import trio", cli="import click")
    assert wrong_packages(root) == ["context:1 imports redis, which is no dependency of the kernel"]


def test_an_event_loop_in_line_two_is_found(tmp_path: Path) -> None:
    root = tree(tmp_path, _dispatch="def f():\n    from anyio import Event")
    assert wrong_packages(root) == ["_dispatch:2 (line 2) imports anyio, and knows no event loop"]


def test_a_long_file_is_found(tmp_path: Path) -> None:
    root = tree(tmp_path, types="x = 1\n" * 401, params="x = 1\n" * 400, routing="x = 1\n" * 13)
    assert too_long(root) == ["routing: 13 lines, at most 12; split it", "types: 401 lines, at most 400; split it"]
