"""Logs: Loki, the files on the nodes, and what services write."""
