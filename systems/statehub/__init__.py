"""State Hub and its consistency sweep: how they are observed and operated, one folder an area."""
