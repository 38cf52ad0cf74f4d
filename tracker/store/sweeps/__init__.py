"""Sweeps: their trials, the rungs where their runs pause, and which sweeps are due."""
