"""Sweeps by their progress events, and the manual canary."""
