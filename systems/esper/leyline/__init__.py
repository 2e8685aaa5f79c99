"""Leyline, the contracts of all messages: generated protobuf code and its enum values."""
