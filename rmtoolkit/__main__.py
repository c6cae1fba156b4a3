"""`python -m rmtoolkit`: the command line."""

import sys

from rmtoolkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
