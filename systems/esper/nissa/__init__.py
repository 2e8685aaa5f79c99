"""Nissa, the observability service: its pages, and whether it ingests."""
