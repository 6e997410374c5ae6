"""Django, configured as far as routers and its authentication middleware need it. Import it before their modules."""

from __future__ import annotations

import django
from django.conf import settings

if not settings.configured:  # one process runs many files of tests
    settings.configure(
        SECRET_KEY="of the tests",
        ALLOWED_HOSTS=["testserver"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        USE_TZ=True,
    )
    django.setup()
