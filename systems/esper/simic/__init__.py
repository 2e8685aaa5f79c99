"""Simic, the policy's trainer: training, validation, policy updates."""
