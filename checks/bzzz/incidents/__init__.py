"""Checks of whether an incident is over."""
