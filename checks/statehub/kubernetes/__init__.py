"""Checks of the cluster and of the bridge."""
