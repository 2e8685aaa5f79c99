"""The Prometheus that watches BZZZ: health scores, health checks, errors, rules."""
