"""Nissa, the observability service: its HTTP pages, and its ingest."""
