"""Notifications: one module for each kind of receiver, and one that sends."""
