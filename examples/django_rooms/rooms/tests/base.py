"""Members, a room, and clients that are logged in."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import AsyncClient, Client, TransactionTestCase, override_settings
from rest_framework.authtoken.models import Token

from chanx.channels import testing
from chanx.messages.incoming import PingMessage
from rooms.models import Room

Headers = list[tuple[bytes, bytes]]

quick_passwords = override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"])


class Members(TransactionTestCase):
    """Ada owns the library, and Bob is in it; Eve is not."""

    def setUp(self) -> None:
        super().setUp()
        self.ada, self.bob, self.eve = (get_user_model().objects.create_user(name) for name in ("ada", "bob", "eve"))
        self.room = Room.objects.create(name="Library", slug="library", owner=self.ada)
        for user in (self.ada, self.bob):
            self.room.memberships.create(user=user)
        self.sessions = {user: self.session(user) for user in (self.ada, self.bob, self.eve)}
        self.ws_path = f"/ws/rooms/{self.room.pk}/"

    def session(self, user: Any) -> str:
        client = Client()
        client.force_login(user)
        return str(client.cookies[settings.SESSION_COOKIE_NAME].value)

    def headers(self, user: Any = None, token: str | None = None) -> Headers:
        found = [(b"host", b"localhost")]
        if user is not None:
            found.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={self.sessions[user]}".encode()))
        if token is not None:
            found.append((b"authorization", f"Token {token}".encode()))
        return found

    def get_ws_headers(self) -> Headers:
        return self.headers(self.ada)

    def token(self, user: Any) -> str:
        return str(Token.objects.create(user=user).key)

    def api(self, user: Any) -> AsyncClient:
        """Views, as the user's browser asks them."""
        client = AsyncClient()
        client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[user]
        return client

    async def let_in(self, user: Any, path: str | None = None) -> Any:
        """A communicator that is let in."""
        client = self.create_communicator(ws_path=path, headers=self.headers(user))
        self.assertEqual(await client.connect(5), (True, None))
        self.assertEqual((await self.frame(client, "authentication"))["status_code"], 200)
        return client

    async def enter(self, user: Any, path: str | None = None) -> Any:
        """A communicator that is in its groups, too: a consumer handles nothing before."""
        client = await self.let_in(user, path)
        await client.send_message(PingMessage())
        await self.frame(client, "pong")
        return client

    async def refused(self, path: str, headers: Headers) -> tuple[dict[str, Any], Any]:
        """What a client is told that is not let in, and the code that it is closed with."""
        client = self.create_communicator(ws_path=path, headers=headers)
        self.assertEqual(await client.connect(5), (True, None))
        told = await client.receive_json_from(5)
        self.assertEqual(told["action"], "authentication")
        return told["payload"], (await client.receive_output(5)).get("code")

    async def frame(self, client: Any, action: str, timeout: float = 5) -> Any:
        """The payload of the next frame, which has this action."""
        content = await client.receive_json_from(timeout)
        self.assertEqual(content["action"], action, content)
        return content["payload"]


class RoomsTestCase(Members, testing.WebsocketTestCase):
    """For consumers of chanx 2.x."""
