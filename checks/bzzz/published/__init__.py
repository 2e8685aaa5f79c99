"""Checks of the addresses that people use."""
