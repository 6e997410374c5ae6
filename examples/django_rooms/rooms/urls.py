"""The pages and the REST API."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from rest_framework.authtoken.views import obtain_auth_token
from rest_framework.routers import SimpleRouter

from . import views

api = SimpleRouter()
api.register("rooms", views.RoomViewSet)

urlpatterns = [
    path("", views.index, name="index"),
    path("rooms/<int:pk>/", views.room, name="room"),
    path("login/", LoginView.as_view(template_name="rooms/login.html"), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("api/token/", obtain_auth_token, name="token"),
    path("api/", include(api.urls)),
]
