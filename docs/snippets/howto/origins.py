from chanx import Channel
from docs.snippets.howto.mount_bare import app as ping

app = Channel(
    "public",
    allowed_origins=["https://example.com", "https://www.example.com"],
    subprotocols=["v2.example", "v1.example"],
)
app.include(ping)
