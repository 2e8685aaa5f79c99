"""All the sources of a State Hub at once: the same instance, and clocks that agree."""
