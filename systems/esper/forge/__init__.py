"""Tezzeret's forge, Urza's library and the field-report log: the program's files."""
