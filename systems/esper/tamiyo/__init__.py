"""Tamiyo, the controller: its mode, its decisions, and blueprints in quarantine."""
