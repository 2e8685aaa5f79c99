"""The options and ini keys of the plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.check import PROFILES
from opsverify.verdict import Severity

if TYPE_CHECKING:
    import pytest

__all__ = ["declare"]


def declare(parser: pytest.Parser) -> None:
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
        "--gate",
        choices=list(Severity),
        default=Severity.P1,
        help="severities that decide the exit status (default: P1, that is P0 and P1)",
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
        "--replay", metavar="FOLDER", help="judge a saved run again (its reports folder); nothing is asked"
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
        "--act",
        metavar="SYSTEM.ACTION[:KEY=VALUE,…]",
        help="take one of the operator's actions on a live target that arms it; judge nothing",
    )
    group.addoption("--dry-run", action="store_true", help="with --act: say what it would do, and do nothing")
    group.addoption(
        "--verify-within",
        metavar="DURATION",
        help="with --act, where a person has to act: wait so long (such as 10m) until the checks tell that it was done",
    )
    group.addoption(
        "--runbook-file",
        action="append",
        metavar="SYSTEM=FILE",
        help="warn where a system's real runbook differs from what is mapped",
    )
    group.addoption("--reports", metavar="FOLDER", help="where run folders are written (default: reports/)")
    parser.addini("opsverify_checks", "folder that holds the checks", default="checks")
    parser.addini("opsverify_target", "default target", default="embedded")
