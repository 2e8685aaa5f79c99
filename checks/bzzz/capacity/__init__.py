"""Checks of capacity and latency."""
