"""Which systems this suite verifies."""

pytest_plugins = ("systems.esper.system", "systems.statehub.system", "systems.bzzz.system")
