"""The schedule in Temporal."""
