"""Criteria of alerts, rules and notifications."""
