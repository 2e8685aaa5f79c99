"""Checks of secrets, configs and environments."""
