"""Each system's twin looked at in health and with three faults in force: what every run of the tests sees live."""
