"""Trial restores: a backup brought back on a server of the run's own."""
