"""Two channel layers of ours, sessions and users, and databases in the folder that the test gives."""

from __future__ import annotations

import os
from typing import Any

_FOLDER = os.environ["CHANX_TEST_FOLDER"]

SECRET_KEY = "for tests only"
ALLOWED_HOSTS = ["testserver", "chat.example"]
USE_TZ = True
INSTALLED_APPS = [
    *("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"),
    *("channels", "chanx.channels"),
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "tests.compat.in_django.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{_FOLDER}/db.sqlite3",
        "TEST": {"NAME": None if "CHANX_TEST_IN_MEMORY" in os.environ else f"{_FOLDER}/test.sqlite3"},
        "OPTIONS": {"timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "chanx.channels.layers.InMemoryChannelLayer"},
    "small": {"BACKEND": "chanx.channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1, "expiry": 5}},
}
