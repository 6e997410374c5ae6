"""The home of the class-based API in Django and for users of Django Channels: put `chanx.` in front of the imports."""
