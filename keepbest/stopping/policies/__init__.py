"""The stopping policies: the frame around every policy, and each rule in a file of its own."""
