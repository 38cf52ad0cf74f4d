"""What other tools left of their runs: read, brought into one shape, and sent to a tracker. It loads no TensorFlow."""
