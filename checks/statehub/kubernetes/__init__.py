"""Checks of activity-core in Kubernetes, and of the bridge."""
