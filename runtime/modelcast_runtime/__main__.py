"""`python -m modelcast_runtime`."""

import sys

from modelcast_runtime.cli import main

sys.exit(main())
