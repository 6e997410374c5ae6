"""A Django project and its tests, which Django's own runner runs in a process of its own; see `test_django.py`."""
