"""Verbs about checkpoints: list, show, inspect, restore, import."""
