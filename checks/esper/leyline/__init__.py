"""Checks of the contracts."""
