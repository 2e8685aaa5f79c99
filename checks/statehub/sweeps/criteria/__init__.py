"""Criteria of sweeps: progress events, who sweeps, lock and budget, the manual canary."""
