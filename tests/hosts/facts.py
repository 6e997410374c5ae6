"""What differs between servers, measured: each fact is used by a test that fails where a server changes.

The table of docs/reference/servers.md is `table()`; print it with `python -m tests.hosts.facts`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

MIB = 1024 * 1024


@dataclass(frozen=True)
class Facts:
    """One server, run in one way.

    Attributes:
        title: its name on the page.
        server: its name in `tests.servers.SERVERS`.
        options: what the suite adds to that command line.
        lifespan: it speaks the lifespan protocol.
        denial: a refused handshake is answered with our HTTP status, headers and body; else with its own 403.
        reasons: a close reason reaches the client.
        codes: the application may close with the codes of the protocol, 1001 to 1014.
        frame_limit: bytes of a frame that it lets through, unless told otherwise.
        frame_limit_setting: what tells it otherwise.
        too_large: the close code for a frame beyond that; None where it drops the connection.
        tells_too_large: the application is told of that end at once; else ten seconds later.
        answers_close: a client's close is answered at once; else only when the application has ended.
        invalid_utf8: the close code for a text that is no UTF-8.
        ping_interval: seconds between its pings unless told otherwise; None where it sends none.
        pings: options that make it ping often, where it can, and wait for as long as a client that lives may need on a
            loaded machine.
        unanswered: the close code for a client that answers no ping; 0 where it does not look.
        backpressure: a send waits while the client does not read; else all is kept in the server's memory.
        shutdown: the close code that clients see at SIGTERM; None where there is no close frame.
        grace: it lets open connections be for its grace period first, and then cancels what is left.
        hooks: `on_disconnect` runs to its end at SIGTERM, before the lifespan ends; else nobody waits for it.
        exit_code: of the process after SIGTERM.
        drained_options: what it needs for `drain_on_sigterm` to get hold of the signal.
        drained_exit_code: of the process after SIGTERM with that.
        drained_lifespan: the lifespan ends after that.
        orphans: its worker goes on when its first process is killed with SIGKILL.
    """

    title: str
    server: str
    lifespan: bool
    denial: bool
    reasons: bool
    codes: bool
    frame_limit: int
    frame_limit_setting: str
    too_large: int | None
    invalid_utf8: int | None
    tells_too_large: bool
    answers_close: bool
    ping_interval: float | None
    pings: tuple[str, ...]
    unanswered: int | None
    backpressure: bool
    shutdown: int | None
    grace: bool
    hooks: bool
    exit_code: int
    orphans: bool
    drained_options: tuple[str, ...]
    drained_exit_code: int
    drained_lifespan: bool
    options: tuple[str, ...] = ()


UVICORN = Facts(
    title="Uvicorn, websockets-sansio",
    server="uvicorn",
    options=("--timeout-graceful-shutdown", "30"),
    lifespan=True,
    denial=True,
    reasons=True,
    codes=True,
    frame_limit=16 * MIB,
    frame_limit_setting="--ws-max-size",
    too_large=1009,
    tells_too_large=True,
    answers_close=True,
    invalid_utf8=1007,
    ping_interval=20.0,
    pings=("--ws-ping-interval", "0.2", "--ws-ping-timeout", "3"),
    unanswered=1011,
    backpressure=True,
    shutdown=1012,
    grace=False,
    hooks=True,
    exit_code=-15,
    orphans=False,
    drained_options=(),
    drained_exit_code=-15,
    drained_lifespan=True,
)

HYPERCORN = Facts(
    title="Hypercorn, asyncio",
    server="hypercorn-asyncio",
    options=("--workers", "1", "--graceful-timeout", "1"),
    lifespan=True,
    denial=True,
    reasons=True,
    codes=True,
    frame_limit=16 * MIB,
    frame_limit_setting="websocket_max_message_size",
    too_large=1009,
    tells_too_large=True,
    answers_close=True,
    invalid_utf8=None,
    ping_interval=None,
    pings=("--websocket-ping-interval", "1"),
    unanswered=0,
    backpressure=True,
    shutdown=1011,
    grace=True,
    hooks=False,
    exit_code=0,
    orphans=True,
    drained_options=("--workers", "0"),
    drained_exit_code=0,
    drained_lifespan=True,
)

GRANIAN = Facts(
    title="Granian",
    server="granian",
    lifespan=True,
    denial=True,
    reasons=True,
    codes=True,
    frame_limit=16 * MIB,
    frame_limit_setting="",
    too_large=1005,
    tells_too_large=True,
    answers_close=False,
    invalid_utf8=1005,
    ping_interval=None,
    pings=(),
    unanswered=0,
    backpressure=True,
    shutdown=None,
    grace=False,
    hooks=False,
    exit_code=0,
    orphans=True,
    drained_options=(),
    drained_exit_code=0,
    drained_lifespan=True,
)

DAPHNE = Facts(
    title="Daphne",
    server="daphne",
    lifespan=False,
    denial=False,
    reasons=False,
    codes=False,
    frame_limit=MIB,
    frame_limit_setting="--websocket-max-frame-size, --websocket-max-message-size",
    too_large=None,
    tells_too_large=True,
    answers_close=True,
    invalid_utf8=None,
    ping_interval=20.0,
    pings=("--ping-interval", "1", "--ping-timeout", "4"),
    unanswered=None,
    backpressure=False,
    shutdown=None,
    grace=False,
    hooks=False,
    exit_code=0,
    orphans=False,
    drained_options=(),
    drained_exit_code=0,
    drained_lifespan=False,
)

#: The servers that the suite runs on, by the names of their parameters.
SERVERS = {
    "uvicorn": UVICORN,
    "uvicorn-websockets": replace(
        UVICORN, title="Uvicorn, websockets", server="uvicorn-websockets", tells_too_large=False
    ),
    "uvicorn-wsproto": replace(UVICORN, title="Uvicorn, wsproto", server="uvicorn-wsproto", invalid_utf8=None),
    "hypercorn-asyncio": HYPERCORN,
    "hypercorn-trio": replace(
        HYPERCORN,
        title="Hypercorn, trio",
        server="hypercorn-trio",
        shutdown=None,
        hooks=True,
        drained_exit_code=-15,
        drained_lifespan=False,
    ),
    "granian": GRANIAN,
    "daphne": DAPHNE,
}

#: Other ways of running them, in which they end otherwise.
ENDINGS = {
    **SERVERS,
    "hypercorn-trio-0": replace(
        SERVERS["hypercorn-trio"],
        title="Hypercorn, trio, with --workers 0",
        options=("--workers", "0"),
        grace=False,
        hooks=False,
        exit_code=-15,
        orphans=False,
    ),
}


def table() -> str:
    """The facts as a Markdown table, one column for each server."""
    servers = list(SERVERS.values())
    rows = [["", *(one.title for one in servers)], ["---"] * (len(servers) + 1)]
    rows += [[head, *(cell(one) for one in servers)] for head, cell in _ROWS.items()]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def _code(code: int | None) -> str:
    return {None: "dropped, no close frame", 1005: "a close frame without a code"}.get(code, str(code))


def _yes(value: bool) -> str:
    return "yes" if value else "**no**"


def _setting(one: Facts) -> str:
    return ", ".join(f"`{name}`" for name in one.frame_limit_setting.split(", ")) if one.frame_limit_setting else "none"


def _interval(one: Facts) -> str:
    if one.ping_interval is not None:
        return f"every {one.ping_interval:g} s"
    return "off by default" if one.pings else "**never**"


def _drained(one: Facts) -> str:
    options = f" with `{' '.join(one.drained_options)}`" if one.drained_options else ""
    return f"{1012 if one.codes else 4012}{options}"


_ROWS: dict[str, Callable[[Facts], str]] = {
    "lifespan": lambda one: _yes(one.lifespan),
    "a refusal is an HTTP status": lambda one: "yes" if one.denial else "**no**, always 403",
    "close reasons arrive": lambda one: _yes(one.reasons),
    "1001 to 1014 can be sent": lambda one: "yes" if one.codes else "**no**, sent as 4001 to 4014",
    "largest frame": lambda one: f"{one.frame_limit // MIB} MiB",
    "setting for it": _setting,
    "a larger frame": lambda one: _code(one.too_large),
    "after that, `on_disconnect` runs": lambda one: "at once" if one.tells_too_large else "after 10 s",
    "a client's close is answered": lambda one: "at once" if one.answers_close else "**when the handler has ended**",
    "invalid UTF-8": lambda one: _code(one.invalid_utf8),
    "pings": _interval,
    "no answer to a ping": lambda one: "**not noticed**" if one.unanswered == 0 else _code(one.unanswered),
    "a send waits for a slow reader": lambda one: _yes(one.backpressure),
    "SIGTERM: clients see": lambda one: _code(one.shutdown),
    "SIGTERM: when": lambda one: "after the grace period" if one.grace else "at once",
    "SIGTERM: `on_disconnect` is waited for": lambda one: _yes(one.hooks),
    "SIGTERM: exit code": lambda one: "by the signal" if one.exit_code < 0 else str(one.exit_code),
    "`drain_on_sigterm`: clients see": _drained,
    "`drain_on_sigterm`: exit code": lambda one: "by the signal" if one.drained_exit_code < 0 else "0",
    "`drain_on_sigterm`: the lifespan ends": lambda one: _yes(one.drained_lifespan),
    "SIGKILL of the first process": lambda one: "**the worker goes on**" if one.orphans else "ends it",
}

if __name__ == "__main__":
    print(table(), end="")  # noqa: T201
