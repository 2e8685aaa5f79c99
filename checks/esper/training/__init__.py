"""Criteria that all checks of the training side share."""
