"""Kasmina, the keeper of seeds: isolation and kernels."""
