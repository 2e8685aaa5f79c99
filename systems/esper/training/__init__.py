"""Telemetry of the training side: packets, readings, observed values, and the actions on its programs."""
