"""The project. Celery's application is made with it, so that `task.delay()` finds its broker in each process."""

from .celery import app as celery_app

__all__ = ["celery_app"]
