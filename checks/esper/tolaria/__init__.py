"""Checks of Tolaria."""
