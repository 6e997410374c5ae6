"""The pages."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("leave/", views.leave, name="leave"),
    path("announce/<slug:room>/", views.announce, name="announce"),
    path("<str:kind>/<slug:room>/", views.room, name="room"),
]
