import shutil
from pathlib import Path

from chanx import static


def collect(folder: Path) -> None:
    """For a build, or a web server that serves files by itself."""
    shutil.copy(static.script, folder)
