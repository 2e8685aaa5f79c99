"""Trial restores: a backup restored on a scratch server of the run."""
