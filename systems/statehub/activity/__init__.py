"""Activity-core's PostgreSQL: the sweep's definition and the audit trail of its runs."""
