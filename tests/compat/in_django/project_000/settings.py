"""The settings of the tests, and the apps of this project by the names that the document imports them by."""

import sys
from pathlib import Path

from tests.compat.in_django.settings import *  # noqa: F403
from tests.compat.in_django.settings import INSTALLED_APPS as _APPS

sys.path.insert(0, str(Path(__file__).parent))

INSTALLED_APPS = [*_APPS, "rest_framework", "rest_framework.authtoken", "chat", "chanx.playground"]
ROOT_URLCONF = "tests.compat.in_django.project_000.urls"
ASGI_APPLICATION = "tests.compat.in_django.project_000.asgi.application"
CHANX = {"SEND_COMPLETION": True}
