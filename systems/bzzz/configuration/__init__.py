"""What services are given: secrets, configs, environments, networks."""
