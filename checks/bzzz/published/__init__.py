"""Checks of the published addresses."""
