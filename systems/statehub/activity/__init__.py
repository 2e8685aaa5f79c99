"""Activity-core's PostgreSQL: the sweep's definition and its ActivityRuns."""
