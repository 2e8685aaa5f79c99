"""Use of CPU, memory, disk and network, where it leads, and latency."""
