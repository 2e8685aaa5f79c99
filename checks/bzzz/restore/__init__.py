"""Checks of what a backup restores to."""
