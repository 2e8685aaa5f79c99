"""What the training side's observations share: telemetry packets and their shapes."""
