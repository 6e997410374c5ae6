"""The pages."""

from django.urls import re_path

from . import views

# A room's name becomes part of a group's, for which channel layers take ASCII only, and fewer than 100 characters.
urlpatterns = [
    re_path(r"^$", views.index, name="index"),
    re_path(r"^chat/(?P<room_name>[A-Za-z0-9_]{1,50})/$", views.room, name="room"),
]
