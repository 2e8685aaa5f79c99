"""Criteria across all sources of a State Hub."""
