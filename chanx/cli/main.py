"""The command `chanx`: `chanx generate-client -s SCHEMA -o DIR`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from chanx.clients.load import SchemaError, load
from chanx.clients.write import write


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; what it returns is the code of the process: 0, 1 for an error, 2 for a wrong option.

    Args:
        arguments: those of the command line, without the name of the command; left out, those of this process.
    """
    parser = argparse.ArgumentParser(prog="chanx", description="Tools for chanx.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    client = commands.add_parser(
        "generate-client",
        help="write typed clients in Python for an AsyncAPI document",
        description="Writes a package of typed clients in Python for an AsyncAPI document.",
    )
    client.add_argument("-s", "--schema", required=True, help="the document: a file or a URL, JSON or YAML")
    client.add_argument("-o", "--output", required=True, metavar="DIR", help="the folder, which becomes the package")
    options = parser.parse_args(arguments)
    try:
        written = write(load(options.schema), options.output)
    except (SchemaError, OSError) as error:
        print(f"chanx: {error}", file=sys.stderr)  # noqa: T201
        return 1
    for path in written:
        print(path)  # noqa: T201
    return 0
