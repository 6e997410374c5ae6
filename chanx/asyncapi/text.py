"""A document as text."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from typing import Any

from chanx.exceptions import ConfigurationError


def to_json(document: Mapping[str, Any]) -> str:
    """The document as JSON text, the same on every run."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def to_yaml(document: Mapping[str, Any]) -> str:
    """The document as YAML text, the same on every run.

    Raises:
        ConfigurationError: PyYAML is not installed.
    """
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError as error:
        raise ConfigurationError("to_yaml needs PyYAML; install chanx[asyncapi], or use to_json") from error

    plain = type("Plain", (yaml.SafeDumper,), {"ignore_aliases": _never})  # what stands twice is written twice
    return str(yaml.dump(document, Dumper=plain, sort_keys=False, allow_unicode=True, width=120))


def _never(*_: Any) -> bool:
    return True
