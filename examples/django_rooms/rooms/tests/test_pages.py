"""The pages."""

from io import StringIO

from django.contrib.auth import authenticate, get_user_model
from django.core.management import call_command
from django.test import TestCase

from rooms.models import Room

from .base import quick_passwords


@quick_passwords
class Pages(TestCase):
    @classmethod
    def setUpTestData(cls) -> None:
        cls.said = StringIO()
        call_command("prepare", stdout=cls.said)

    def test_prepare(self) -> None:
        self.assertIn("'rooms'", self.said.getvalue())
        self.assertEqual(authenticate(username="cleo", password="rooms"), get_user_model().objects.get(username="cleo"))
        call_command("prepare", stdout=StringIO())
        self.assertEqual(Room.objects.count(), 3)

    def test_only_members_see_a_room(self) -> None:
        attic, garden = (Room.objects.get(slug=slug).pk for slug in ("attic", "garden"))
        self.assertRedirects(self.client.get("/"), "/login/?next=/")
        self.assertRedirects(self.client.post("/login/", {"username": "ada", "password": "rooms"}), "/")
        self.assertContains(self.client.get("/"), "Garden")
        self.assertNotContains(self.client.get("/"), "Attic")
        self.assertContains(self.client.get(f"/rooms/{garden}/"), "Garden")
        self.assertEqual(self.client.get(f"/rooms/{attic}/").status_code, 404)
        self.assertRedirects(self.client.post("/logout/"), "/", fetch_redirect_response=False)

    def test_what_the_websockets_speak(self) -> None:
        document = self.client.get("/asyncapi/schema/").json()
        self.assertEqual(document["info"]["title"], "Rooms")
        addresses = {one["address"] for one in document["channels"].values()}
        self.assertEqual(addresses, {"/ws/rooms/{pk}/", "/ws/hands/{room}/", "/ws/notices/"})
        self.assertContains(self.client.get("/asyncapi/"), "/ws/rooms/{pk}/")
        written = StringIO()
        call_command("generate_asyncapi_schema", "--format", "yaml", stdout=written)
        self.assertIn("title: Rooms", written.getvalue())

    def test_nothing_on_pages_comes_from_elsewhere(self) -> None:
        self.client.force_login(get_user_model().objects.get(username="ada"))
        for url in ("/", f"/rooms/{Room.objects.get(slug='garden').pk}/", "/asyncapi/"):
            page = self.client.get(url).content.decode()
            self.assertNotRegex(page, r"""(?:src|href)=["']?(?:https?:)?//""")
