"""Settings of the rooms. They are for trying it out, not for the open network.

Without Redis, all runs in one process: the channel layer is in its memory, and tasks run where they are called. With
`ROOMS_REDIS=redis://127.0.0.1:6379`, servers, workers and commands are processes of their own, and share a layer.
"""

import os
from pathlib import Path
from typing import Any

BASE = Path(__file__).parent.parent
REDIS = os.environ.get("ROOMS_REDIS")
DATABASE = Path(os.environ.get("ROOMS_DATABASE", BASE / "db.sqlite3"))

SECRET_KEY = "for trying it out only"
DEBUG = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

INSTALLED_APPS = [
    "daphne",  # with it, `runserver` serves ASGI
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "chanx.channels",  # it brings `generate_asyncapi_schema`
    "rooms",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATABASE,
        "OPTIONS": {"timeout": 20},  # in seconds: a server and a worker write
        "TEST": {"NAME": DATABASE.with_stem(f"{DATABASE.stem}.test")},  # a file, for the worker of a test sees it, too
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ]
        },
    }
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "index"
LOGOUT_REDIRECT_URL = "index"
STATIC_URL = "static/"
USE_TZ = True
TIME_ZONE = "UTC"

# Views and WebSockets ask the same classes. The first one has a word for `WWW-Authenticate`, so strangers get a 401.
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}

CHANX = {"ASYNCAPI_TITLE": "Rooms", "ASYNCAPI_DESCRIPTION": "Rooms whose members talk."}

CHANNEL_LAYERS: dict[str, dict[str, Any]]
if REDIS is None:
    CHANNEL_LAYERS = {"default": {"BACKEND": "chanx.channels.layers.InMemoryChannelLayer"}}
    CELERY_TASK_ALWAYS_EAGER = True
else:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "chanx.channels.layers.RedisChannelLayer",
            "CONFIG": {"hosts": [REDIS], "prefix": "rooms"},
        }
    }
    CELERY_BROKER_URL = REDIS
    CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True  # what comes of a task is told through the layer
