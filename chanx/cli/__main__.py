"""`python -m chanx.cli`, which is the command `chanx`."""

import sys

from chanx.cli.main import main

sys.exit(main())
