"""The options of the command line, and the ini keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from opsverify.model.check import PERIODS, PROFILES
from opsverify.model.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = ["COMMANDS", "LOOKS_AT_NOTHING", "Options", "add_options", "duration", "reconcile"]

COMMANDS = ("plan", "preflight", "runbook", "explain", "act")
"""Options with which nothing is judged and no report is left."""

LOOKS_AT_NOTHING = ("plan", "preflight", "runbook", "explain")
"""Those of them that leave nothing behind: they take no lock, and need no state."""

_DURATION = re.compile(r"(?P<amount>\d+(?:\.\d+)?)(?P<unit>[smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """A duration such as 20s, 5m, 24h, 2d. Raises ValueError with the accepted form."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not float(match["amount"]):
        msg = f"{text!r} is not a duration; write a number with s, m, h or d, such as 20s, 5m or 24h"
        raise ValueError(msg)
    return timedelta(**{_UNITS[match["unit"]]: float(match["amount"])})


def add_options(parser: pytest.Parser) -> None:
    """Declare options and ini keys."""
    group = parser.getgroup("opsverify", "operational verification")
    group.addoption(
        "--target",
        metavar="FILE|NAME",
        help="target file, or the name of one in targets/ (default: embedded)",
    )
    group.addoption(
        "--profile",
        choices=PROFILES,
        help="run the checks that a profile requires; exit 13 if one of them does not run",
    )
    group.addoption(
        "--period",
        choices=PERIODS,
        help="profile maintenance: the checks of this list, and those that belong to every list",
    )
    group.addoption(
        "--gate",
        choices=list(Severity),
        default=Severity.P1,
        help="severities that decide the exit status (default: P1, that is P0 and P1)",
    )
    group.addoption(
        "--only",
        action="append",
        metavar="WORD,…",
        help="check only a part of the target, instead of its `only`: a system, subsystem, surface or check id; only that part is required",
    )
    group.addoption(
        "--strict-severity",
        action="store_true",
        help="exit 11 instead of 0 if only checks below the gate FAIL or are UNKNOWN",
    )
    group.addoption(
        "--arm", metavar="TARGET", help="confirm the [arm] table of this live target for this run"
    )
    group.addoption(
        "--if-busy",
        choices=("fail", "ok"),
        default="fail",
        help="exit status if another run holds the target's lock: 16 (fail) or 0 (ok)",
    )
    group.addoption("--undone", metavar="ID", help="remove a change from the ledger after undoing it by hand")
    group.addoption(
        "--replay",
        metavar="FOLDER|BUNDLE",
        help="judge a saved run again (its reports folder or its bundle) without contacting the target",
    )
    group.addoption(
        "--limit",
        action="append",
        metavar="SYSTEM.NAME=N",
        help="override a limit in this run, such as esper.window=10",
    )
    group.addoption(
        "--plan",
        action="store_true",
        help="show which checks would run, write or be skipped; contact nothing",
    )
    group.addoption(
        "--preflight",
        action="store_true",
        help="test whether each endpoint can be reached and read; judge nothing",
    )
    group.addoption(
        "--runbook-file",
        action="append",
        metavar="SYSTEM=FILE",
        help="warn where a system's real runbook differs from its runbook.toml",
    )
    group.addoption("--reports", metavar="FOLDER", help="where run folders are written (default: reports/)")
    _canary_options(group.addoption)
    _acting_options(group.addoption)
    _incident_options(group.addoption)
    parser.addini("opsverify_checks", "folder that holds the checks", default="checks")
    parser.addini("opsverify_target", "default target", default="embedded")


def _canary_options(add: Callable[..., None]) -> None:
    add("--waivers", metavar="FILE", help="file of waivers (accepted failures), instead of the target's own")
    add(
        "--history",
        metavar="FILE|URL",
        help="where canary runs are kept: an SQLite file, a postgresql:// address, or 'off'",
    )
    add("--openmetrics", metavar="FILE", help="also write the result for node-exporter's textfile collector")


def _acting_options(add: Callable[..., None]) -> None:
    add(
        "--act",
        metavar="SYSTEM.ACTION[:KEY=VALUE,…]",
        help="run one operator action on a live target that arms it; judge nothing",
    )
    add("--dry-run", action="store_true", help="with --act: print what it would do, and do nothing")
    add(
        "--verify-within",
        metavar="TIME",
        help="with --act, where a person has to act: wait up to this long (10m) for the checks that verify it",
    )


def _incident_options(add: Callable[..., None]) -> None:
    add(
        "--runbook",
        action="store_true",
        help="list procedures, their checks and what each needs; contact nothing",
    )
    add(
        "--explain",
        metavar="CHECK",
        help="show what a check promises and observes, which faults turn it red, and what to do then",
    )
    add(
        "--incident",
        metavar="ALERT",
        help="profile incident: the checks tied to this alert, their dependencies first",
    )
    add(
        "--baseline",
        metavar="last-green|PATH",
        help="compare with the last green run of this target, or with a run's folder or bundle",
    )
    add(
        "--baseline-from",
        metavar="FOLDER",
        help="folder to search for last-green (default: the reports folder)",
    )
    add(
        "--watch",
        metavar="TIME",
        help="repeat the run for this long (24h); a relapse ends it with exit 10",
    )
    add("--every", metavar="TIME", help="time between the starts of two rounds of --watch (default: 5m)")
    add("--bundle", metavar="FILE.tar.gz", help="pack the run's evidence and reports into one archive")
    add(
        "--expect",
        action="append",
        metavar="SYSTEM.SURFACE=WORD",
        help="a version or identity that must answer there, such as esper.redis=7.2.4 after a deploy",
    )


def reconcile(config: pytest.Config) -> None:
    """Set the profile that --incident or --period implies.

    Raises:
        pytest.UsageError: options contradict each other.
    """
    if config.getoption("every") and not config.getoption("watch"):
        msg = "--every sets the interval of --watch; give --watch TIME too, such as --watch 24h"
        raise pytest.UsageError(msg)
    if config.getoption("period") is not None:
        if config.getoption("profile") not in (None, "maintenance"):
            msg = (
                f"--period needs profile maintenance, not {config.getoption('profile')}; leave --profile out"
            )
            raise pytest.UsageError(msg)
        config.option.profile = "maintenance"
    if config.getoption("incident") is None:
        return
    if config.getoption("profile") not in (None, "incident"):
        msg = f"--incident needs profile incident, not {config.getoption('profile')}; leave --profile out"
        raise pytest.UsageError(msg)
    config.option.profile = "incident"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for.

    `arm` names the live target whose arming the caller confirms; `drills_named` says that a drill's file or folder
    was asked for by its path; `incident` is the alert that everything is about, `period` the maintenance list, `only` the
    words that name the part of the target that it is about.
    """

    profile: str | None
    gate: Severity
    strict_severity: bool
    arm: str | None
    busy_is_ok: bool
    drills_named: bool
    incident: str | None = None
    period: str | None = None
    only: tuple[str, ...] = ()
