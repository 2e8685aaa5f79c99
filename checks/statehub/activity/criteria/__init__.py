"""Criteria of activity-core: the server and the definition, and its runs."""
