"""`python -m keepbest` is the command, for whoever has no scripts folder on PATH."""

from __future__ import annotations

from keepbest.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
