"""Where trainers run: as processes of this machine (`local`); the interface is in `base`."""
