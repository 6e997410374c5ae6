"""The same project with Django REST Framework, and an app with models."""

from tests.compat.in_django.settings import *  # noqa: F403
from tests.compat.in_django.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "rest_framework", "rest_framework.authtoken", "tests.compat.in_django.rooms"]
