"""The settings of the class API: Django's `CHANX` where Django is in use, and defaults.

They are read when they are asked for, so that what a test overrides counts at once; a consumer asks when its client
connects.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Collection, Mapping
from typing import Any

#: What each setting is where nothing else is said.
DEFAULTS: Mapping[str, Any] = {
    "MESSAGE_ACTION_KEY": "action",
    "SEND_COMPLETION": False,
    "SEND_MESSAGE_IMMEDIATELY": True,
    "SEND_AUTHENTICATION_MESSAGE": True,
    "CAMELIZE": False,
    "LOG_WEBSOCKET_MESSAGE": False,
    "LOG_RECEIVED_MESSAGE": True,
    "LOG_SENT_MESSAGE": True,
    "LOG_IGNORED_ACTIONS": [],
    "WEBSOCKET_BASE_URL": None,
    "ASYNCAPI_TITLE": None,
    "ASYNCAPI_DESCRIPTION": None,
    "ASYNCAPI_VERSION": None,
    "ASYNCAPI_SERVER_URL": None,
    "ASYNCAPI_SERVER_PROTOCOL": None,
    "ASYNCAPI_SERVERS": None,
    "ASYNCAPI_SECURITY_SCHEMES": None,
}


@functools.cache
def installed(package: str) -> bool:
    """Can a package be imported?"""
    return importlib.util.find_spec(package) is not None


def django_settings() -> Any:
    """Django's settings; None where Django is not in use, which does not load it."""
    conf: Any = sys.modules.get("django.conf")
    named = "DJANGO_SETTINGS_MODULE" in os.environ
    if conf is None and named and installed("django"):
        conf = importlib.import_module("django.conf")  # a script may ask before anything of Django's
    if conf is None or not (named or conf.settings.configured):
        return None
    return conf.settings


def given() -> Mapping[str, Any]:
    """What Django's `CHANX` says; nothing where Django is not in use."""
    settings = django_settings()
    return {} if settings is None else getattr(settings, "CHANX", None) or {}


def setting(name: str) -> Any:
    """One setting.

    Args:
        name: as in `CHANX`.
    """
    said = given()
    return said[name] if name in said else DEFAULTS[name]


def send_authentication_message(own: bool | None) -> bool:
    """Is the client told the verdict on its connection? `own` is what the consumer or authenticator says."""
    return bool(setting("SEND_AUTHENTICATION_MESSAGE")) if own is None else own


class Settings:
    """The settings as attributes, by their names in `CHANX`.

    Args:
        defaults: in place of those of `DEFAULTS`.

    Raises:
        AttributeError: there is no such setting.
    """

    def __init__(self, **defaults: Any) -> None:
        self._defaults = {**DEFAULTS, **defaults}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._defaults:
            raise AttributeError(f"CHANX has no setting {name!r}")
        said = given()
        return said[name] if name in said else self._defaults[name]


class Config:
    """The settings of consumers by the names of their attributes (document 002, "Configuration").

    An attribute that is set on the object counts before Django's settings.

    Attributes:
        send_completion: send a message when all is done that a message led to.
        send_message_immediately: let other tasks run after each message that is sent.
        log_websocket_message: log messages.
        log_ignored_actions: but not those with these actions.
        camelize: names are in camel case on the wire.
        discriminator_field: the name of the field that tells messages apart.
    """

    send_completion: bool
    send_message_immediately: bool
    log_websocket_message: bool
    log_ignored_actions: Collection[str]
    camelize: bool
    discriminator_field: str

    def __getattr__(self, name: str) -> Any:
        if name == "discriminator_field":
            return setting("MESSAGE_ACTION_KEY")
        if name.startswith("_") or name.upper() not in DEFAULTS:
            raise AttributeError(f"chanx has no setting {name!r}")
        return setting(name.upper())


config = Config()
chanx_settings = Settings(WEBSOCKET_BASE_URL="ws://localhost:8000")  # 0.12's default
