"""A run under kill -9 at random instants, of trainer, agent and tracker, and what must hold all the same."""
