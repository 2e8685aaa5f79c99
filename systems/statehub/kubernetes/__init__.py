"""Activity-core in its cluster, and the bridge from there to State Hub."""
