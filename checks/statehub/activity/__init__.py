"""Checks of activity-core's PostgreSQL and of the trail of its runs."""
