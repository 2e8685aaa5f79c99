"""Criteria of sweeps: events, who sweeps, the lock, the manual canary."""
