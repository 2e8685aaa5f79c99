"""Checks of Prometheus: health scores, errors, rules."""
