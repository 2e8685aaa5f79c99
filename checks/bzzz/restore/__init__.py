"""Checks that restore a backup on trial."""
