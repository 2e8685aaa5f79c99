"""Sweeps: their progress events, their results, and the manual canary."""
