"""Checks of Nissa."""
