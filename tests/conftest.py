"""Fixtures and settings of all tests."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# How fast an example comes about says something of the machine, and nothing of the promise.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

# Whoever starts the tests in the background of a shell, or by nohup, has them ignore Ctrl-C or SIGHUP, and every process
# they start inherits that; the tests that send them need them to be heard.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
