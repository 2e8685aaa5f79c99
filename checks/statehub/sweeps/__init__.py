"""Checks of sweeps by their progress events, and the manual canary."""
