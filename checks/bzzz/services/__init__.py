"""Checks of the services as a Docker Swarm runs them."""
