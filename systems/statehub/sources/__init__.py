"""All sources of a State Hub at once: who sweeps, and whether the clocks agree."""
