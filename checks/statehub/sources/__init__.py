"""Criteria of all sources at once."""
