"""Incidents of the runbook: their alerts, and whether each is over."""
