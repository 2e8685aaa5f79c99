"""Configuration of the services: secrets, configs, environments, networks."""
