"""Checks of the DHT."""
