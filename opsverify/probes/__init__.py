"""Probes: one surface each, for any system; requests, bounded replies, and errors by kind."""
