"""Targets that misbehave: whatever they send, a run ends in time, with a verdict for every check."""
