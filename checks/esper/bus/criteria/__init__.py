"""Criteria of the Oona bus: streams, messages, and the Redis under it."""
