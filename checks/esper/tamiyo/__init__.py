"""Checks of Tamiyo."""
