"""Checks of the workstation's timer."""
