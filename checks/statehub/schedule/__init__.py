"""Checks of the definition and of its schedule in Temporal."""
