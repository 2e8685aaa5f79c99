"""Benchmarks of the engine, side by side with the least that does the same: `python -m bench`."""
