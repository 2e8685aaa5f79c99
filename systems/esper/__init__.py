"""Esper-Lite: its wire format, and how it is observed and operated, one folder an area."""
