"""Checks of Kasmina."""
