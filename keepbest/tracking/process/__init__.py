"""The process of a script: its console, its signs of life, and how it ends."""
