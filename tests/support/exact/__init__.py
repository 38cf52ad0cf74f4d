"""The matrix of exactness: ways to train that must resume and roll back to the last bit."""
