"""Checks of the PostgreSQL server."""
