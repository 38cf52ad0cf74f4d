"""What concerns the fit of Keras alone: its batches, epochs, callbacks, traced step and swapped weights."""
