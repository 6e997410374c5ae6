"""The pages."""

from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model, login, logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from chanx.channels.layers import get_channel_layer

BACKEND = "django.contrib.auth.backends.ModelBackend"
KINDS = {"consumer": "class-based consumer", "channel": "native channel"}
ROOMS = ("lobby", "help")
LONGEST_NAME = 30


def index(request):
    """Enter with a name; a real site would ask for a password, too."""
    if request.method == "POST":
        name = " ".join(request.POST.get("name", "").split())[:LONGEST_NAME]
        if name:
            user, _ = get_user_model().objects.get_or_create(username=name)
            login(request, user, backend=BACKEND)
        return redirect("index")
    return render(request, "talk/index.html", {"kinds": KINDS, "rooms": ROOMS})


@require_POST
def leave(request):
    logout(request)
    return redirect("index")


@login_required
def room(request, kind, room):
    if kind not in KINDS:
        raise Http404
    other = next(each for each in KINDS if each != kind)
    return render(request, "talk/room.html", {"room": room, "kind": kind, "what": KINDS[kind], "other": other})


@require_POST
@login_required
def announce(request, room):
    """A plain view says something on all pages of the room."""
    said = {"type": "talk.said", "who": "the house", "text": f"{request.user.get_username()} rings the bell"}
    async_to_sync(get_channel_layer().group_send)(f"talk.{room}", said)
    return HttpResponse(status=204)
