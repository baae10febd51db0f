"""Published weights of other methods."""
