"""The PostgreSQL server of BZZZ."""
