"""What a model holds: every object that Keras saves, every variable, and what holds state beside them."""
