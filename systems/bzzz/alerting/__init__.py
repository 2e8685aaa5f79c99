"""Alertmanager: alerts, silences, notifications."""
