"""Runbooks that run: an engine for operational checks and drills on top of pytest, which knows no system.

PYTEST_DONT_REWRITE: `python -m opsverify` loads it before pytest could, and it asserts nothing.
"""

from opsverify.run import garbage, interrupt

interrupt.loading()
if interrupt.is_pytest():
    garbage.pause()

from opsverify.model.arming import Arming, NotArmed
from opsverify.model.deadline import Deadline, DeadlinePassed, eventually, seconds
from opsverify.model.fault import Fault
from opsverify.model.judge import verify
from opsverify.model.limits import Limit, Limits
from opsverify.model.observation import (
    Bracketed,
    ErrorKind,
    Observation,
    Observed,
    Unobservable,
    observation,
    record_source,
)
from opsverify.model.operator import Operator, action
from opsverify.model.system import Site, System, Twin
from opsverify.model.verdict import Finding, Severity, Verdict
from opsverify.target.file import EnvSecret, Section

__all__ = [
    "Arming",
    "Bracketed",
    "Deadline",
    "DeadlinePassed",
    "EnvSecret",
    "ErrorKind",
    "Fault",
    "Finding",
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
    "eventually",
    "observation",
    "record_source",
    "seconds",
    "verify",
]
