"""The matrix of exactness: the ways to train that must go on, and come back, to the last bit."""
