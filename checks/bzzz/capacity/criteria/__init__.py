"""Criteria of capacity: use now, projection, latency."""
