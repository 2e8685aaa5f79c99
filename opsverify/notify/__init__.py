"""Notifications: one module for each kind of receiver, and dispatch and transport for all."""
