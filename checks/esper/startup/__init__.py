"""Checks of the startup procedures."""
