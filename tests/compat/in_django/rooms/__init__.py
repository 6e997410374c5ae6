"""An app with models, for authentication by Django REST Framework."""
