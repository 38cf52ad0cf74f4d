"""The upkeep of a store: which checkpoints stay, what is removed, and whether every byte is whole."""
