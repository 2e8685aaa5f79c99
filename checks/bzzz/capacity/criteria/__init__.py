"""Criteria of capacity: use now, where it leads, and latency."""
