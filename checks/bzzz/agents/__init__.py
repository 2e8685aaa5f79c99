"""Checks of the agents: their API, components, and UCXI."""
