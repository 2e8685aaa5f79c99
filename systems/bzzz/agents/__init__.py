"""The agents: their API, components, UCXL addresses, and task flow."""
