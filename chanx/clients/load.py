"""Reads AsyncAPI documents from files and URLs."""

from __future__ import annotations

import importlib
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from chanx.exceptions import ChanxError

#: Seconds for an answer of a server.
PATIENCE = 30.0
#: Bytes of a document.
LARGEST = 64 * 1024 * 1024


class SchemaError(ChanxError, ValueError):
    """A document cannot be read, or is none that clients can be generated from."""


def load(source: str) -> dict[str, Any]:
    """The document in a file, or at a URL.

    Args:
        source: a path, or a URL with `http` or `https`; JSON or YAML, which needs PyYAML.

    Raises:
        SchemaError: it cannot be read, or is no AsyncAPI 3 document.
    """
    text = _fetched(source) if source.startswith(("http://", "https://")) else _read(source)
    return checked(_parsed(text, source), source)


def checked(document: Any, source: str) -> dict[str, Any]:
    """The document, if it is one.

    Raises:
        SchemaError: it is no AsyncAPI 3 document.
    """
    if not isinstance(document, dict):
        raise SchemaError(f"{source}: an AsyncAPI document is an object, and this is {type(document).__name__}")
    told: dict[str, Any] = document  # pyright: ignore[reportUnknownVariableType]
    version = told.get("asyncapi")
    if version is None:
        other = "an OpenAPI document" if "openapi" in told else "no AsyncAPI document"
        raise SchemaError(f'{source}: this is {other}: it has no "asyncapi"')
    if not str(version).startswith("3."):
        raise SchemaError(f"{source}: AsyncAPI {version}; clients are generated from AsyncAPI 3")
    if not isinstance(told.get("channels"), dict) or not told["channels"]:
        raise SchemaError(f"{source}: the document has no channels")
    return told


def _read(source: str) -> str:
    try:
        return Path(source).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"{source} cannot be read: {error}") from error


def _fetched(source: str) -> str:
    try:
        with urllib.request.urlopen(source, timeout=PATIENCE) as answer:
            body: bytes = answer.read(LARGEST + 1)
    except urllib.error.HTTPError as error:
        raise SchemaError(f"{source} answers with {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        raise SchemaError(f"{source} cannot be fetched: {error}") from error
    if len(body) > LARGEST:
        raise SchemaError(f"{source} is longer than {LARGEST} bytes")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise SchemaError(f"{source} is no text: {error}") from error


def _parsed(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if text.lstrip().startswith(("{", "[")):
            raise SchemaError(f"{source} is no JSON: {error}") from error
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError as error:
        raise SchemaError(f"{source} is no JSON, and YAML needs PyYAML: pip install 'chanx[cli]'") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SchemaError(f"{source} is neither JSON nor YAML: {error}") from error
