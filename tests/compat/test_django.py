"""Inside Django: each file of `in_django` is run by Django's own test runner, in a process with settings of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "in_django"
ROOT = Path(__file__).parent.parent.parent
SETTINGS = "tests.compat.in_django.settings"


def run(
    folder: Path, *words: str, settings: str | None = SETTINGS, in_memory: bool = False
) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "CHANX_TEST_FOLDER": str(folder), "PYTHONPATH": str(ROOT)}
    env |= {"CHANX_TEST_IN_MEMORY": "1"} if in_memory else {}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    if settings is not None:
        env["DJANGO_SETTINGS_MODULE"] = settings
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120, check=False
    )


FILES = [(path.stem, False) for path in sorted(HERE.glob("check_*.py"))]


@pytest.mark.parametrize(("file", "in_memory"), [*FILES, ("check_threads", True)])
def test_django_runs(file: str, in_memory: bool, tmp_path: Path) -> None:
    words = ("-W", "error", "-X", "dev", "-m", "django", "test", "-v", "2", f"tests.compat.in_django.{file}")
    ran = run(tmp_path, *words, in_memory=in_memory)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Ran 0 tests" not in ran.stderr


def test_a_script_that_has_loaded_nothing_of_django_gets_the_layer(tmp_path: Path) -> None:
    code = "from chanx.channels.layers import get_channel_layer; print(type(get_channel_layer()).__module__)"
    ran = run(tmp_path, "-c", code)
    assert ran.stdout.strip() == "chanx.compat.layer", ran.stderr


def test_without_settings_there_is_no_layer_and_django_is_not_loaded(tmp_path: Path) -> None:
    code = (
        "import sys, chanx.channels.layers as l, chanx.channels.generic.websocket, chanx.channels.routing\n"
        "import chanx.channels.generic.http, chanx.channels.testing, chanx.channels.websocket, chanx.core.decorators\n"
        "import chanx.fast_channels.websocket, chanx.core.config, chanx.core.websocket, chanx.settings\n"
        "import chanx.core.topic, chanx.core.testing, chanx.fast_channels.testing, chanx.constants\n"
        "class C(chanx.channels.websocket.AsyncJsonWebsocketConsumer): pass\n"
        "assert C.incoming_message_adapter is None and not chanx.core.config.config.camelize\n"
        "print(l.get_channel_layer(), [name for name in sys.modules if name.partition('.')[0] == 'django'])"
    )
    ran = run(tmp_path, "-c", code, settings=None)
    assert ran.stdout.strip() == "None []", ran.stderr


def test_where_django_is_imported_and_not_in_use_synchronous_consumers_run(tmp_path: Path) -> None:
    program = """
import asyncio, django.db
from chanx.channels.generic.websocket import WebsocketConsumer
from chanx.channels.testing import WebsocketCommunicator
print(asyncio.run(WebsocketCommunicator(WebsocketConsumer.as_asgi(), "/").connect()))
"""
    ran = run(tmp_path, "-c", program, settings=None)
    assert ran.stdout.strip() == "(True, None)", ran.stderr


EXTRA = {
    "django": ("auth", "sessions", "security.websocket", "db"),
    "channels": ("auth", "sessions", "security.websocket", "db", "middleware"),
}


@pytest.mark.parametrize("missing", EXTRA)
def test_what_needs_the_extra_says_so(missing: str, tmp_path: Path) -> None:
    code = (
        "import sys, importlib, importlib.abc\n"
        "class Missing(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {missing!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        f"for module in {EXTRA[missing]}:\n"
        "    try:\n"
        "        importlib.import_module(f'chanx.channels.{module}')\n"
        "    except ImportError as error:\n"
        "        print(' '.join(str(error).splitlines()))\n"
    )
    ran = run(tmp_path, "-c", code, settings=None)
    for module, told in zip(EXTRA[missing], ran.stdout.splitlines(), strict=True):
        assert f"chanx.channels.{module} needs Django and Channels" in told, ran.stderr
        assert "pip install 'chanx[django]'" in told


def test_what_comes_from_channels_when_it_is_asked_for(tmp_path: Path) -> None:
    program = """
import channels.layers, channels.testing, chanx.channels.layers, chanx.channels.testing
from chanx.channels.testing import ChannelsLiveServerTestCase
assert ChannelsLiveServerTestCase is channels.testing.ChannelsLiveServerTestCase
assert chanx.channels.layers.BaseChannelLayer is channels.layers.BaseChannelLayer
assert not hasattr(chanx.channels.layers, "nothing") and not hasattr(chanx.channels.testing, "nothing")
"""
    ran = run(tmp_path, "-c", program)
    assert ran.returncode == 0, ran.stderr
