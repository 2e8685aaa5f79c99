"""BZZZ: how it is observed and operated, one folder an area."""
