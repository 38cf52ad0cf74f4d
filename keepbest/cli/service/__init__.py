"""Verbs about the service: its processes, access, health and housekeeping."""
