"""The engine's promises, kept by real runs of a toy project."""
