"""Checks of what Esper-Lite stands on."""
