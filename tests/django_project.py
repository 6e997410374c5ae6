"""Settings for tests that need Django: import this before anything of Django that wants them."""

import django
from django.conf import settings

if not settings.configured:
    settings.configure(
        SECRET_KEY="of the tests",
        ALLOWED_HOSTS=["testserver"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        ROOT_URLCONF="docs.snippets.howto.asyncapi_django",
        USE_TZ=True,
    )
    django.setup()
