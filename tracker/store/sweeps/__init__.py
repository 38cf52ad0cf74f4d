"""Sweeps: their trials, the rungs where they pause, and what is due."""
