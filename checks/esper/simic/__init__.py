"""Checks of Simic."""
