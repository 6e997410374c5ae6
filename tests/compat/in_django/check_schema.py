"""The AsyncAPI document of a Django project: its pages, its settings, and the command that writes it."""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import yaml
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory, SimpleTestCase, override_settings
from django.urls import reverse

from chanx import ConfigurationError
from chanx.channels.views import AsyncAPIDocsView, AsyncAPISchemaView, generate_asyncapi_schema
from chanx.compat.schema import _made, described

ASGI = "tests.compat.in_django.asgi.application"


def get(path: str, **options: Any) -> Any:
    """What the project answers: pyright takes it for a request."""
    return Client().get(path, **options)


def written(*words: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("generate_asyncapi_schema", *words, stdout=out, **options)
    return out.getvalue()


@override_settings(ASGI_APPLICATION=ASGI)
class Pages(SimpleTestCase):
    def test_the_document(self) -> None:
        answer = get("/asyncapi/schema/")
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(answer["content-type"], "application/json")
        told = answer.json()
        self.assertEqual([one["address"] for one in told["channels"].values()], ["/ws/{room}/", "/old/", "/native/"])
        self.assertEqual(list(told["channels"]), ["chat", "Old", "native"])
        self.assertEqual({"handle_ping", "handle_say", "receive_say"}, set(told["operations"]))
        self.assertEqual(list(told["servers"].values()), [{"host": "testserver", "protocol": "ws"}])
        self.assertEqual(list(told)[:4], ["asyncapi", "info", "defaultContentType", "servers"])
        secure = get("/asyncapi/schema/", secure=True, headers={"host": "chat.example"}).json()
        self.assertEqual(list(secure["servers"].values()), [{"host": "chat.example", "protocol": "wss"}])
        self.assertEqual(get("/asyncapi/schema/", headers={"host": "evil.example"}).status_code, 400)
        refused: Any = Client().post("/asyncapi/schema/")
        self.assertEqual(refused.status_code, 405)

    def test_formats(self) -> None:
        told = get("/asyncapi/schema/").json()
        for answer in (
            get("/asyncapi/schema/?format=yaml"),
            get("/asyncapi/schema/", headers={"accept": "application/yaml"}),
            AsyncAPISchemaView.as_view()(RequestFactory().get("/"), format="yaml"),
        ):
            self.assertEqual(answer["content-type"], "application/yaml")
            self.assertEqual(yaml.safe_load(answer.content), told)
        answer = get("/asyncapi/schema/?format=json", headers={"accept": "application/yaml"})
        self.assertEqual(answer.json(), told)
        self.assertEqual(get("/asyncapi/schema/?format=xml").status_code, 400)

    def test_the_page(self) -> None:
        for path in ("/asyncapi/", "/asyncapi/docs/"):
            answer = get(path)
            self.assertEqual(answer.status_code, 200)
            text = answer.content.decode()
            for shown in ("/ws/{room}/", "handle_ping", "client sends", "a &amp; b", "&lt;script&gt;", "&lt;b&gt;said"):
                self.assertIn(shown, text)
            self.assertNotRegex(text, "<script|<link|<img|<b>|@import|url\\(")
            self.assertEqual(
                re.findall(r'(?:href|src)="([^#][^"]*)"', text), ["/asyncapi/schema/", "/asyncapi/schema/?format=yaml"]
            )
            self.assertIn("default-src 'none'", answer["content-security-policy"])
        self.assertIn('href="/named/schema/"', get("/named/").content.decode())
        answer = AsyncAPIDocsView.as_view(schema_url="/x")(RequestFactory().get("/"))
        self.assertIn('<a href="/x">JSON</a>', answer.content.decode())
        self.assertEqual(reverse("asyncapi_docs"), "/asyncapi/")

    def test_settings_count_at_once(self) -> None:
        said = {
            "ASYNCAPI_TITLE": "Chat",
            "ASYNCAPI_VERSION": "2.1",
            "ASYNCAPI_DESCRIPTION": "All.",
            "ASYNCAPI_SERVER_URL": "example.com/live",
            "ASYNCAPI_SERVER_PROTOCOL": "wss",
            "ASYNCAPI_SECURITY_SCHEMES": {"token": {"type": "httpApiKey", "name": "token", "in": "query"}},
        }
        with override_settings(CHANX=said):
            told = get("/asyncapi/schema/").json()
            self.assertEqual(told["info"], {"title": "Chat", "version": "2.1", "description": "All."})
            (server,) = told["servers"].values()
            self.assertEqual(server, {"host": "example.com", "protocol": "wss", "pathname": "/live"})
            self.assertEqual(list(told["components"]["securitySchemes"]), ["token"])
        servers = {"live": {"host": "a.example", "protocol": "wss"}, "test": {"host": "b.example", "protocol": "ws"}}
        with override_settings(CHANX={"ASYNCAPI_SERVERS": servers, "ASYNCAPI_SERVER_URL": "c.example"}):
            self.assertEqual(get("/asyncapi/schema/").json()["servers"], servers)
        with override_settings(CHANX={"ASYNCAPI_SERVER_PROTOCOL": "wss"}):
            told = get("/asyncapi/schema/").json()
            self.assertEqual(list(told["servers"].values()), [{"host": "testserver", "protocol": "wss"}])
        told = generate_asyncapi_schema()
        self.assertEqual(told["info"], {"title": "AsyncAPI Documentation", "version": "1.0.0"})
        self.assertNotIn("servers", told)

    def test_what_is_kept_is_bounded(self) -> None:
        from tests.compat.in_django.asgi import application

        first = described(application, {"title": "0"})
        self.assertIs(first, described(application, {"title": "0"}))
        for number in range(20):
            described(application, {"title": str(number)}, f"ws://{number}.example")
        self.assertLessEqual(len(_made[application]), 8)


class Mistakes(SimpleTestCase):
    def test_what_cannot_be_made_is_not_told_to_clients(self) -> None:
        with override_settings(ASGI_APPLICATION="tests.compat.in_django.check_schema.nothing"):
            with self.assertLogs("chanx", "ERROR") as logs:
                answer = get("/asyncapi/schema/")
            self.assertEqual(answer.status_code, 500)
            self.assertNotIn("nothing", answer.content.decode())
            self.assertIn("no channel was found", "".join(logs.output))
            with self.assertRaisesRegex(CommandError, "no channel was found"):
                written()

    def test_the_application(self) -> None:
        with override_settings(ASGI_APPLICATION=None), self.assertRaisesRegex(ImproperlyConfigured, "is not set"):
            generate_asyncapi_schema()
        with (
            override_settings(ASGI_APPLICATION="tests.compat.in_django.asgi.nobody"),
            self.assertRaisesRegex(ImportError, "there is no 'nobody' in tests.compat.in_django.asgi"),
        ):
            generate_asyncapi_schema()
        with (
            override_settings(ASGI_APPLICATION=ASGI, CHANX={"ASYNCAPI_SERVER_URL": "ws://"}),
            self.assertRaises(ConfigurationError),
        ):
            generate_asyncapi_schema()


async def nothing(scope: Any, receive: Any, send: Any) -> None: ...


@override_settings(ASGI_APPLICATION=ASGI)
class TheCommand(SimpleTestCase):
    def test_it_prints(self) -> None:
        told = json.loads(written())
        self.assertEqual(told, generate_asyncapi_schema())
        self.assertEqual(yaml.safe_load(written(format="yaml")), told)

    def test_it_writes(self) -> None:
        told = generate_asyncapi_schema()
        with tempfile.TemporaryDirectory(dir=os.environ["CHANX_TEST_FOLDER"]) as folder:
            file = Path(folder, "schema.yaml")
            self.assertIn("Written to", written("--file", str(file)))
            self.assertTrue(file.read_text().startswith("asyncapi: 3.0.0\n"))
            written("-o", str(file), "--format", "json")
            self.assertEqual(json.loads(file.read_text()), told)
            with self.assertRaisesRegex(CommandError, "No such file"):
                written("--output", str(Path(folder, "no", "such")))

    def test_it_stands_beside_channels(self) -> None:
        self.assertEqual(apps.get_app_config("chanx_channels").name, "chanx.channels")
        self.assertEqual(apps.get_app_config("channels").name, "channels")
