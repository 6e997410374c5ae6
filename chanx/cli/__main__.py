"""`python -m chanx.cli`, which is the command `chanx`."""

import sys

from chanx.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
