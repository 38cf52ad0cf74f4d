"""Selectors: which model a run ends with. They are independent of the stopper and of retention."""
