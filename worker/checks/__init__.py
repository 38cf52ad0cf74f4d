"""Processes that never trained and look at a checkpoint: inspect, verify, restore."""
