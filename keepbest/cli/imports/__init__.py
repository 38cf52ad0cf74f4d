"""What comes to a tracker or a store from elsewhere, one file a kind."""
