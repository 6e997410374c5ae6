"""The Django application `chanx.playground`."""

from typing import Any

from chanx.compat.project import django

AppConfig: Any = django("apps").AppConfig


class ChanxPlaygroundConfig(AppConfig):  # type: ignore[misc]
    """Has no models, and a label of its own."""

    name = "chanx.playground"
    label = "chanx_playground"
    verbose_name = "chanx playground"
