"""The agents of BZZZ: their API, their components, UCXL addresses, and tasks that they run."""
