"""The pages."""

from django.urls import include, path

urlpatterns = [path("", include("talk.urls"))]
