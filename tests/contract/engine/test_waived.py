"""Waivers in real runs: what they cover, what they never do, and what becomes of wrong ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.contract.engine.project import Project, Ran

LIVE = ("--profile", "smoke", "--target", "live")


def _waive(
    project: Project,
    check: str = "L-BLB-1",
    code: str = "too-dark",
    *,
    days: float = 3,
    target: str = "porch",
) -> None:
    expires = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    text = (
        f'[[waiver]]\ncheck = "{check}"\ntarget = "{target}"\ncode = "{code}"\nowner = "ada"\n'
        f'reason = "the new bulb comes on Friday"\nexpires = {expires}\n'
    )
    project.write("targets/waivers.toml", text)
    project.target(
        'name = "porch"\nwaivers = "waivers.toml"\n[lamp]\nbulb = "bulb.json"\nswitch = "switch.json"\n'
    )


def _dark(check: str = "L-BLB-1", code: str = "too-dark", days: float = 3) -> Callable[[Project], Ran]:
    def act(project: Project) -> Ran:
        project.answer("bulb", value=0)
        _waive(project, check, code, days=days)
        return project.run(*LIVE)

    return act


def _not_seen(project: Project) -> Ran:
    project.answer("bulb", **{"raise": "refused"})
    _waive(project, code="refused")
    return project.run(*LIVE)


def _shining(project: Project) -> Ran:
    _waive(project)
    return project.run(*LIVE)


def _named(*arguments: str) -> Callable[[Project], Ran]:
    def act(project: Project) -> Ran:
        project.answer("bulb", value=0)
        _waive(project)
        project.target('name = "porch"\n[lamp]\nbulb = "bulb.json"\nswitch = "switch.json"\n')
        return project.run(*LIVE, *arguments)

    return act


def _of_another_target(project: Project) -> Ran:
    project.answer("bulb", value=0)
    _waive(project, target="cellar")
    return project.run(*LIVE)


RUNS: dict[str, Callable[[Project], Ran]] = {
    "covered": _dark(),
    "another reason": _dark(code="flickers"),
    "not seen": _not_seen,
    "expired": _dark(days=-1),
    "unknown check": _dark(check="L-BLB-99"),
    "P0 for too long": _dark(check="L-SWI-1", days=8),
    "for too long": _dark(days=91),
    "matches nothing": _shining,
    "of another target": _of_another_target,
    "by option": _named("--waivers", "targets/waivers.toml"),
    "no such file": _named("--waivers", "nothing.toml"),
}


@pytest.mark.parametrize("name", ["covered", "by option"])
def test_a_waived_failure_still_shows(name: str, left_by: Callable[[str], Ran]) -> None:
    """A waived failure holds the gate, and every report shows what was found, who waived it, until when and why."""
    ran = left_by(name)
    assert ran.code == 0, ran.said
    result = ran.check("L-BLB-1")
    assert (result["verdict"], result["reason"], result["findings"][0]["observed"]) == (
        "WAIVED",
        "too-dark",
        "0.0",
    )
    assert result["explanation"].startswith("too-dark waived by ada until 20")
    assert ran.report["counts"] == {"WAIVED": 1, "PASS": 2}
    assert "WAIVED  P1 L-BLB-1" in ran.stdout
    assert ran.cases["L-BLB-1"].properties["verdict"] == "WAIVED"
    assert ran.cases["L-BLB-1"].properties["waiver"] == result["explanation"]
    for text in (ran.html, (ran.folder / "summary.md").read_text(encoding="utf-8"), ran.stdout):
        assert "WAIVED" in text
        assert "the new bulb comes on Friday" in text


@pytest.mark.parametrize("name", ["another reason", "of another target"])
def test_anything_else_is_still_a_failure(name: str, left_by: Callable[[str], Ran]) -> None:
    """A failure for another reason, or on another target, is FAIL."""
    ran = left_by(name)
    assert (ran.code, ran.verdicts()["L-BLB-1"]) == (10, "FAIL")
    told = "waiver of L-BLB-1 (flickers, ada) matches nothing: the check is FAIL for too-dark"
    assert (told in ran.stdout) is (name == "another reason")


def test_what_was_not_seen_is_never_waived(left_by: Callable[[str], Ran]) -> None:
    """UNKNOWN stays UNKNOWN, though a waiver names its very reason."""
    ran = left_by("not seen")
    assert (ran.code, ran.verdicts()["L-BLB-1"]) == (12, "UNKNOWN")
    assert "matches nothing: the check is UNKNOWN" in ran.stdout


def test_an_expired_waiver_is_a_plain_failure(left_by: Callable[[str], Ran]) -> None:
    """After its end the failure counts, and the run says whose waiver has ended."""
    ran = left_by("expired")
    assert (ran.code, ran.verdicts()["L-BLB-1"]) == (10, "FAIL")
    assert "this waiver has expired" in ran.cases["L-BLB-1"].text
    assert "waiver of L-BLB-1 (too-dark, ada) expired at" in ran.stdout


def test_a_waiver_without_use_is_a_warning(left_by: Callable[[str], Ran]) -> None:
    """A waiver of a check that passes changes nothing and is told."""
    ran = left_by("matches nothing")
    assert ran.code == 0
    assert [w for w in ran.report["warnings"] if "matches nothing: the check is PASS" in w]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("unknown check", "waiver of L-BLB-99: no such check"),
        ("P0 for too long", "a P0 may last 7 days, so at most until"),
        ("for too long", "a waiver may last 90 days, so at most until"),
        ("no such file", "nothing.toml: cannot be read"),
    ],
)
def test_a_wrong_waiver_ends_the_run(name: str, told: str, left_by: Callable[[str], Ran]) -> None:
    """A waiver of an unknown check, one that lasts too long and a file that is not there are exit 4."""
    ran = left_by(name)
    assert (ran.code, told in ran.said) == (4, True), ran.said
