"""Checks of State Hub's API."""
