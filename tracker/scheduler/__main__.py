"""`python -m tracker.scheduler`: run the periodic jobs, or check that somebody does."""

from __future__ import annotations

import sys

from tracker.scheduler.scheduler import main

if __name__ == "__main__":
    sys.exit(main())
