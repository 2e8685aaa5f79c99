"""The distributed hash table: replication and operations."""
