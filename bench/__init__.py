"""What the engine costs, side by side with the least that does the same: `python -m bench`."""
