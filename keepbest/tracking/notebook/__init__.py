"""A run in a notebook: a card that follows it, and what an interrupted cell or a stopped kernel means for it."""
