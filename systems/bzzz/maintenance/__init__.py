"""Scheduled maintenance: work done by hand, and the last trial restore."""
