"""Runbooks that run: an engine for operational checks and drills on top of pytest, which knows no system.

PYTEST_DONT_REWRITE: `python -m opsverify` loads it before pytest could, and it asserts nothing.
"""

from opsverify import garbage, interrupt

interrupt.loading()
if interrupt.is_pytest():
    garbage.left_alone()

from opsverify.arming import Arming, NotArmed
from opsverify.deadline import Deadline, DeadlinePassed, eventually, seconds
from opsverify.fault import Fault
from opsverify.judge import verify
from opsverify.limits import Limit, Limits
from opsverify.observation import Bracketed, Kind, Observation, Observed, Unobservable, asked, observation
from opsverify.operator import Operator, action
from opsverify.system import Site, System, Twin
from opsverify.target import EnvSecret, Section
from opsverify.verdict import Finding, Severity, Verdict

__all__ = [
    "Arming",
    "Bracketed",
    "Deadline",
    "DeadlinePassed",
    "EnvSecret",
    "Fault",
    "Finding",
    "Kind",
    "Limit",
    "Limits",
    "NotArmed",
    "Observation",
    "Observed",
    "Operator",
    "Section",
    "Severity",
    "Site",
    "System",
    "Twin",
    "Unobservable",
    "Verdict",
    "action",
    "asked",
    "eventually",
    "observation",
    "seconds",
    "verify",
]
