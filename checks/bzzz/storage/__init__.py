"""Criteria of the shared storage."""
