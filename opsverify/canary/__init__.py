"""The canary: history over many runs, the lock across machines, and notifications of what changed."""
