"""Kinds of models that people train with Keras, and the roads by which each must come back."""
