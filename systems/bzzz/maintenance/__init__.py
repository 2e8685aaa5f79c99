"""Scheduled maintenance: what a person has done, and when a backup was last restored."""
