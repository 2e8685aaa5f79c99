"""Recorded evidence, judged again: with other limits, and with less of it."""
