"""The addresses that people use, and their certificates."""
