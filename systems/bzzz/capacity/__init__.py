"""Capacity: use of CPU, memory, disk and network, projections, latency."""
