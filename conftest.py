"""Which systems this suite verifies."""

pytest_plugins = ("fixtures.esper.system", "fixtures.statehub.system", "fixtures.bzzz.system")
