import shutil
from pathlib import Path

from chanx import static


def collect(folder: Path) -> None:
    """For a build, or a web server that serves files by itself."""
    for script in static.scripts:  # chanx.js, and those that need it beside themselves
        shutil.copy(script, folder)
