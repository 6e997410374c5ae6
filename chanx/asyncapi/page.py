"""A document as a page for people: one HTML file, without scripts and without anything from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --to: #0a7d55; --from: #2b62c4; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 4rem; font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0 0 .25rem; } h2 { margin: 2.5rem 0 .25rem; } h3 { margin: 1.25rem 0 .25rem; font-size: 1.05rem; }
code, pre { font-family: ui-monospace, monospace; font-size: .9em; }
pre { overflow-x: auto; padding: .75rem; background: var(--soft); border-radius: .4rem; margin: .5rem 0; }
table { border-collapse: collapse; margin: .5rem 0; } th, td { text-align: left; padding: .2rem .75rem .2rem 0;
  vertical-align: top; border-bottom: 1px solid var(--line); }
.address { font-size: 1.05rem; } .tag { border: 1px solid var(--line); border-radius: 1rem; padding: 0 .6rem;
  margin-right: .35rem; font-size: .85rem; }
.operation { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem 1rem; margin: .75rem 0; }
.way { display: inline-block; min-width: 5.5rem; font-weight: 600; color: var(--from); }
.send .way { color: var(--to); }
summary { cursor: pointer; } nav ul { padding-left: 1.2rem; } .text { white-space: pre-line; }
"""


#: What answers with a page should say with it: a browser then runs no script in it, whatever a document says.
PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
}


def page(document: Mapping[str, Any], links: Mapping[str, str] = {}) -> str:
    """The page of an AsyncAPI document that `document` made.

    Args:
        document: the document.
        links: addresses of its other forms by their names, such as `{"JSON": "schema/"}`.
    """
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    channels: Mapping[str, Any] = document.get("channels", {})
    operations: Mapping[str, Any] = document.get("operations", {})
    parts = [
        f"<h1>{escape(info['title'])}</h1>",
        f"<p>Version {escape(info['version'])} · AsyncAPI {escape(document['asyncapi'])}",
        *(f' · <a href="{escape(address)}">{escape(name)}</a>' for name, address in links.items()),
        "</p>",
        _text(info.get("description")),
        _servers(document.get("servers", {})),
        "<nav><ul>",
        *(f'<li><a href="#{escape(key)}">{escape(key)}</a></li>' for key in channels),
        "</ul></nav>",
    ]
    for key, channel in channels.items():
        own = {name: one for name, one in operations.items() if one["channel"]["$ref"].rpartition("/")[2] == key}
        parts += _channel(document, key, channel, own)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(filter(None, parts))
        + "\n</main>\n</body>\n</html>\n"
    )


def _channel(
    document: Mapping[str, Any], key: str, channel: Mapping[str, Any], operations: Mapping[str, Any]
) -> Iterable[str]:
    yield f'<section id="{escape(key)}"><h2>{escape(channel.get("title") or key)}</h2>'
    if channel.get("address"):
        yield f'<p class="address"><code>{escape(channel["address"])}</code></p>'
    if topic := channel.get("x-topic"):
        yield f"<p>A topic of its connections: <code>{escape(topic['pattern'])}</code></p>"
    yield _tags(channel)
    yield _text(channel.get("description"))
    yield _parameters(channel.get("parameters", {}))
    told: set[str] = set()
    for name, operation in operations.items():
        yield from _operation(document, channel, name, operation, told)
    others = [one for one in channel.get("messages", {}) if one not in told]
    if others:
        yield "<h3>Other messages</h3>"
        for one in others:
            yield _message(document, channel, one)
    yield "</section>"


def _operation(
    document: Mapping[str, Any], channel: Mapping[str, Any], name: str, operation: Mapping[str, Any], told: set[str]
) -> Iterable[str]:
    receives = operation["action"] == "receive"
    yield f'<div class="operation {escape(operation["action"])}">'
    yield f'<h3><span class="way">{"client sends" if receives else "server sends"}</span> {escape(name)}</h3>'
    yield _text(operation.get("summary"))
    yield _text(operation.get("description"))
    yield _tags(operation)
    rows = [(operation.get("messages", ()), "")]
    rows += [(operation["reply"]["messages"], "<p>The answer:</p>")] if "reply" in operation else []
    for messages, before in rows:
        yield before
        for reference in messages:
            one = reference["$ref"].rpartition("/")[2]
            told.add(one)
            yield _message(document, channel, one)
    yield "</div>"


def _message(document: Mapping[str, Any], channel: Mapping[str, Any], key: str) -> str:
    name = channel["messages"][key]["$ref"].rpartition("/")[2]
    message = document["components"]["messages"][name]
    schemas = document["components"]["schemas"]
    schema = schemas[message["payload"]["$ref"].rpartition("/")[2]]
    found = _reachable(schema, schemas)
    title = f"<code>{escape(str(message['name']))}</code> {escape(str(message.get('summary', '')))}"
    parts = [
        f"<details><summary>{title}</summary>",
        _json(schema),
        *(f"<p><code>{escape(one)}</code></p>{_json(schemas[one])}" for one in found),
        *(f"<p>An example:</p>{_json(example['payload'])}" for example in message.get("examples", ())),
        "</details>",
    ]
    return "\n".join(parts)


def _reachable(schema: Any, schemas: Mapping[str, Any]) -> list[str]:
    """The names of the schemas that one refers to, in order."""
    found: dict[str, None] = {}
    waiting = [schema]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, Mapping):
            reference = one.get("$ref")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            name = reference.rpartition("/")[2] if isinstance(reference, str) else None
            if name in schemas and name is not None and name not in found:
                found[name] = None
                waiting.append(schemas[name])
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return list(found)


def _servers(servers: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td>"
        f"<td><code>{escape(one['protocol'])}://{escape(one['host'])}{escape(one.get('pathname', ''))}</code></td>"
        f"<td>{escape(one.get('description', ''))}</td></tr>"
        for name, one in servers.items()
    )
    return f"<table><tr><th>Server</th><th>Address</th><th></th></tr>{rows}</table>" if rows else ""


def _parameters(parameters: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(str(one.get('x-schema', {}).get('type', '')))}</td>"
        f"<td>{escape(one.get('description', ''))}</td></tr>"
        for name, one in parameters.items()
    )
    return f"<table><tr><th>Parameter</th><th>Type</th><th></th></tr>{rows}</table>" if rows else ""


def _tags(thing: Mapping[str, Any]) -> str:
    tags = "".join(f'<span class="tag">{escape(one["name"])}</span>' for one in thing.get("tags", ()))
    return f"<p>{tags}</p>" if tags else ""


def _text(text: str | None) -> str:
    return f'<p class="text">{escape(text)}</p>' if text else ""


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"
