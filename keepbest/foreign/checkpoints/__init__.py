"""Files that Keras' ModelCheckpoint left: each with its epoch and value, the torn ones left out."""
