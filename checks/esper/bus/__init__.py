"""Checks of the Oona bus."""
