"""Tolaria, the training loop: epochs, health, and the alert on their pace."""
