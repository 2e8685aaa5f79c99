"""Checks of sweeps by their progress events."""
