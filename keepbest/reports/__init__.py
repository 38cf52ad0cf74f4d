"""Reports to believe: what was selected, how often was measured, what the test set said once, and how sure it is."""
