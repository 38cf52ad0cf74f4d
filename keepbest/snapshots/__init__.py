"""The training state as one value: taken by reference, held in memory, put back to the last bit."""
