"""Checks of the forge, the library and the program's files."""
