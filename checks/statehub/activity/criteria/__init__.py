"""Criteria of activity-core: its PostgreSQL server, the definition, and the ActivityRuns."""
