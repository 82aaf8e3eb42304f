"""`python -m quadrille`."""

import sys

from .cli import main

sys.exit(main())
