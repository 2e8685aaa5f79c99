"""The toy project is run by the tests, in a copy and a process of its own; it is never collected here."""

collect_ignore = ["lamp"]
