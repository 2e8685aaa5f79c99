"""Checks of scheduled maintenance."""
