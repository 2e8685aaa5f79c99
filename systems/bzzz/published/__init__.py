"""Published addresses and their certificates."""
