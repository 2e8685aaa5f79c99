"""The Oona bus on Redis Streams: streams, consumer groups, entries."""
