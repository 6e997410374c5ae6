"""The names that chanx offers: exactly these, each documented, all exceptions in one tree."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from starlette.exceptions import HTTPException

import chanx
import chanx.testing
from chanx.groups.history import HistoryLayer

NAMES = [
    "AskFailed",
    "Channel",
    "ChanxError",
    "ConfigurationError",
    "ConnectionClosed",
    "Context",
    "Cookie",
    "Depends",
    "Drained",
    "GroupLayer",
    "Header",
    "History",
    "LayerUnavailable",
    "Limits",
    "MemoryLayer",
    "Path",
    "Publication",
    "Query",
    "Reject",
    "Stats",
    "drain_on_sigterm",
]
TESTING = ["Captured", "Client", "Closed", "Failed", "Refused", "Stream", "Topic", "capture", "connect"]


def modules() -> Iterator[ModuleType]:
    importlib.import_module("tests.django_project")  # some are for Django, and want settings
    yield chanx
    for found in pkgutil.walk_packages(chanx.__path__, "chanx."):
        yield importlib.import_module(found.name)


def public_members(thing: Any) -> Iterator[tuple[str, Any]]:
    """What a class itself defines and a user may call or read."""
    if not inspect.isclass(thing):
        return
    for name, member in vars(thing).items():
        target = member.__func__ if isinstance(member, (staticmethod, classmethod)) else member
        if not name.startswith("_") and (inspect.isfunction(target) or isinstance(target, property)):
            yield name, target


def test_the_names_are_exactly_the_documented_ones() -> None:
    assert sorted(chanx.__all__) == NAMES
    assert sorted(chanx.testing.__all__) == TESTING


@pytest.mark.parametrize("module", [chanx, chanx.testing])
def test_every_listed_name_is_there_and_nothing_else_of_ours(module: ModuleType) -> None:
    there = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not inspect.ismodule(value) and value.__module__.startswith("chanx")
    }
    assert there == set(module.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_documented(name: str) -> None:
    thing = getattr(chanx, name)
    own = vars(thing).get("__doc__") if inspect.isclass(thing) else inspect.getdoc(thing)
    assert own
    assert not own.startswith(f"{name}(")  # what a dataclass writes by itself
    for member, function in public_members(thing):
        # a layer's methods are told about in the protocol that it implements
        told = inspect.getdoc(function) or inspect.getdoc(getattr(HistoryLayer, member, None))
        assert told, f"{name}.{member}"


@pytest.mark.parametrize("name", TESTING)
def test_every_name_of_the_test_client_is_documented(name: str) -> None:
    thing = getattr(chanx.testing, name)
    assert inspect.getdoc(thing)
    for member, function in public_members(thing):
        assert inspect.getdoc(function), f"{name}.{member}"


def test_all_exceptions_are_in_one_tree() -> None:
    """Those of the test client are no errors of an application; private ones never reach a user."""
    found = {
        value
        for module in modules()
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__.startswith("chanx")
    }
    public = {one for one in found if not one.__module__.startswith(("chanx._", "chanx.testing"))}
    assert {chanx.ConfigurationError, chanx.ConnectionClosed, chanx.Reject} <= public
    assert [one for one in public if not issubclass(one, chanx.ChanxError)] == []
    assert {one for one in found if one.__module__ == "chanx.exceptions"} == {
        getattr(chanx, name)
        for name in ("AskFailed", "ChanxError", "ConfigurationError", "ConnectionClosed", "LayerUnavailable", "Reject")
    }


def test_exceptions_carry_their_parts() -> None:
    closed = chanx.ConnectionClosed(1001, "away")
    assert (closed.code, closed.reason) == (1001, "away")
    assert "1001, away" in str(closed)
    assert chanx.ConnectionClosed().code is None
    reject = chanx.Reject(401, "who?", {"WWW-Authenticate": "Basic"})
    assert isinstance(reject, HTTPException)
    assert (reject.status_code, reject.detail, reject.headers) == (401, "who?", {"WWW-Authenticate": "Basic"})
    assert isinstance(reject, chanx.ChanxError)


def test_every_module_says_what_it_is() -> None:
    for module in modules():
        assert module.__doc__, module.__name__
