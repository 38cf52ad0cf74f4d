"""Runs the command as `python -m keepbest`, for people whose PATH lacks the folder of scripts."""

from __future__ import annotations

from keepbest.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
