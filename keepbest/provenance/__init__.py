"""How a run came about, read from this machine: command, git, packages, devices. Secrets are masked here."""
