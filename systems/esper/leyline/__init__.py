"""Leyline, the message contracts: generated protobuf code, and its enum values."""
