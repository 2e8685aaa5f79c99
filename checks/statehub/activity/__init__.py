"""Checks of activity-core's PostgreSQL and of its ActivityRuns."""
