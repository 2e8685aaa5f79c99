"""The shared storage of the nodes."""
