"""Monitoring by Prometheus: health scores, health checks, errors, rules."""
