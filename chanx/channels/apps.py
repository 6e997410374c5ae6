"""The Django application `chanx.channels`, which brings the command `generate_asyncapi_schema`."""

from typing import Any

from chanx.compat.project import django

AppConfig: Any = django("apps").AppConfig


class ChanxChannelsConfig(AppConfig):  # type: ignore[misc]
    """Has a label of its own: Channels' application is labelled `channels`."""

    name = "chanx.channels"
    label = "chanx_channels"
    verbose_name = "chanx"
