"""Celery's application: `celery -A config worker --pool solo`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("rooms")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
