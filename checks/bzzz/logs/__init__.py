"""Checks of logs."""
