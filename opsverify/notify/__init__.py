"""Telling people what has changed: a file for each way there, none of which sends anything itself."""
