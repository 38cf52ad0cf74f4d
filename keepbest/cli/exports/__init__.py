"""What leaves a tracker: points and runs as tables, and archives."""
