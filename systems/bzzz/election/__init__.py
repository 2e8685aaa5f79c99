"""The election of an admin, and SLURP, which the admin leads."""
