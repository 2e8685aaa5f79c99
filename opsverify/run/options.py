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


__all__ = ["COMMANDS", "LOOKS_AT_NOTHING", "Options", "add_options", "duration", "settle"]

COMMANDS = ("plan", "preflight", "runbook", "explain", "act")
"""Options with which nothing is judged and no report is left."""

LOOKS_AT_NOTHING = ("plan", "preflight", "runbook", "explain")
"""Those of them that leave nothing behind: they take no lock, and need no state."""

_DURATION = re.compile(r"(?P<amount>\d+(?:\.\d+)?)(?P<unit>[smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def duration(text: str) -> timedelta:
    """A duration such as 20s, 5m, 24h, 2d. Raises ValueError saying what is right."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or not float(match["amount"]):
        msg = f"{text!r} is no duration; write a number with s, m, h or d, such as 20s, 5m or 24h"
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
        help="run the checks that a profile requires; anything missing is exit 13",
    )
    group.addoption(
        "--period",
        choices=PERIODS,
        help="profile maintenance, only this list's checks and those of every list",
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
        help="be about a part only, in place of the target's `only`: a system, subsystem, surface or check; exactly that part is required",
    )
    group.addoption("--strict-severity", action="store_true", help="exit 11 where only ungated checks fail")
    group.addoption(
        "--arm", metavar="TARGET", help="confirm the [arm] table of this live target for this run"
    )
    group.addoption(
        "--if-busy",
        choices=("fail", "ok"),
        default="fail",
        help="exit status when another run is at work on the target: 16, or 0",
    )
    group.addoption(
        "--undone", metavar="ID", help="strike a change out of the ledger that a person has undone by hand"
    )
    group.addoption(
        "--replay",
        metavar="FOLDER|BUNDLE",
        help="judge a saved run again (its reports folder or its bundle); nothing is asked",
    )
    group.addoption(
        "--limit",
        action="append",
        metavar="SYSTEM.NAME=N",
        help="use another limit in this run, such as esper.window=10",
    )
    group.addoption(
        "--plan", action="store_true", help="show what would run, be skipped and write; look at nothing"
    )
    group.addoption(
        "--preflight",
        action="store_true",
        help="look whether each endpoint can be reached and read; judge nothing",
    )
    group.addoption(
        "--runbook-file",
        action="append",
        metavar="SYSTEM=FILE",
        help="warn where a system's real runbook differs from what is mapped",
    )
    group.addoption("--reports", metavar="FOLDER", help="where run folders are written (default: reports/)")
    _canary_options(group.addoption)
    _acting_options(group.addoption)
    _incident_options(group.addoption)
    parser.addini("opsverify_checks", "folder that holds the checks", default="checks")
    parser.addini("opsverify_target", "default target", default="embedded")


def _canary_options(add: Callable[..., None]) -> None:
    add("--waivers", metavar="FILE", help="accepted failures, instead of the target's own file")
    add(
        "--history",
        metavar="FILE|URL",
        help="where canary runs are remembered: an SQLite file, a postgresql:// address, or 'off'",
    )
    add("--openmetrics", metavar="FILE", help="also write the result for node-exporter's textfile collector")


def _acting_options(add: Callable[..., None]) -> None:
    add(
        "--act",
        metavar="SYSTEM.ACTION[:KEY=VALUE,…]",
        help="take one of the operator's actions on a live target that arms it; judge nothing",
    )
    add("--dry-run", action="store_true", help="with --act: say what it would do, and do nothing")
    add(
        "--verify-within",
        metavar="TIME",
        help="with --act, where a person has to act: wait so long (10m) until the checks tell that it was done",
    )


def _incident_options(add: Callable[..., None]) -> None:
    add(
        "--runbook",
        action="store_true",
        help="list procedures, their checks and what each needs; look at nothing",
    )
    add(
        "--explain",
        metavar="CHECK",
        help="what a check promises, looks at and is reddened by, and what to do",
    )
    add(
        "--incident",
        metavar="ALERT",
        help="profile incident, only what is tied to this alert; dependencies first",
    )
    add(
        "--baseline",
        metavar="last-green|PATH",
        help="compare with the last green run of this target, or with a run's folder or bundle",
    )
    add(
        "--baseline-from",
        metavar="FOLDER",
        help="where last-green is looked for (default: where reports are written)",
    )
    add(
        "--watch",
        metavar="TIME",
        help="look again and again for so long (24h); a relapse ends it with exit 10",
    )
    add("--every", metavar="TIME", help="time between the starts of two looks of --watch (default: 5m)")
    add("--bundle", metavar="FILE.tar.gz", help="pack the run's evidence and reports into one archive")
    add(
        "--expect",
        action="append",
        metavar="SYSTEM.SURFACE=WORD",
        help="a version or identity that must answer there, such as esper.redis=7.2.4 after a deploy",
    )


def settle(config: pytest.Config) -> None:
    """Make options agree: an incident is of the profile incident, a period of the profile maintenance.

    Raises:
        pytest.UsageError: they contradict each other.
    """
    if config.getoption("every") and not config.getoption("watch"):
        msg = "--every says how often --watch looks; give --watch TIME too, such as --watch 24h"
        raise pytest.UsageError(msg)
    if config.getoption("period") is not None:
        if config.getoption("profile") not in (None, "maintenance"):
            msg = f"--period is of the profile maintenance, not {config.getoption('profile')}; leave --profile out"
            raise pytest.UsageError(msg)
        config.option.profile = "maintenance"
    if config.getoption("incident") is None:
        return
    if config.getoption("profile") not in (None, "incident"):
        msg = f"--incident is of the profile incident, not {config.getoption('profile')}; leave --profile out"
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
