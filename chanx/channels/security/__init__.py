"""Protection of WebSockets in Django; needs the `django` extra."""
