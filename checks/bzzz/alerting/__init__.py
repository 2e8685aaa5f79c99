"""Criteria of alerts and their notifications."""
