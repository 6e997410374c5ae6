"""`manage.py generate_asyncapi_schema`: the project's AsyncAPI document, printed or written to a file."""

from pathlib import Path
from typing import Any

from chanx.asyncapi.text import to_json, to_yaml
from chanx.compat.project import django
from chanx.compat.views import generate_asyncapi_schema
from chanx.exceptions import ConfigurationError

BaseCommand: Any = django("core.management.base").BaseCommand
CommandError: Any = django("core.management.base").CommandError


class Command(BaseCommand):  # type: ignore[misc]
    """The command."""

    help = "Writes the AsyncAPI document of the application that ASGI_APPLICATION names."

    def add_arguments(self, parser: Any) -> None:
        """Say what it takes."""
        parser.add_argument(
            "--format", choices=("json", "yaml"), help="By default that of the file's ending, or else json."
        )
        parser.add_argument("--file", "--output", "-o", metavar="PATH", help="Where to write it; else it is printed.")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        """Write the document.

        Raises:
            CommandError: it cannot be made or written.
        """
        file: str | None = options.get("file")
        wanted = options.get("format") or ("yaml" if str(file).endswith((".yaml", ".yml")) else "json")
        try:
            text = (to_yaml if wanted == "yaml" else to_json)(generate_asyncapi_schema())
            if file is not None:
                Path(file).write_text(text, "utf-8")
        except (ConfigurationError, OSError) as error:
            raise CommandError(str(error)) from error
        if file is None:
            self.stdout.write(text, ending="")
        else:
            self.stdout.write(f"Written to {file}")
