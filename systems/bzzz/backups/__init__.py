"""Backups: dumps, base backup and WAL archive, configuration export, off-site copy."""
