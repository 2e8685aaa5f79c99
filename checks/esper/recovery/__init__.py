"""Checks of whether an incident of the training side is over."""
