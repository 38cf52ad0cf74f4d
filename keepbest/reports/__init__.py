"""Reports that one may believe: what was selected, how often was looked, what the test set said once, and how sure."""
