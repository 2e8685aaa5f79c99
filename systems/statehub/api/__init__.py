"""State Hub's HTTP API, direct and through the bridge."""
