"""Checks of the election and of SLURP."""
