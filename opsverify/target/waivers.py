"""Waivers: accepted failures, with an owner, a reason and an end."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from opsverify.model.verdict import Outcome, Severity, Verdict, deciding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from opsverify.report.model import CheckResult

__all__ = ["Waiver", "WaiverError", "Waivers", "load_waivers"]

_LONGEST = timedelta(days=90)
_LONGEST_P0 = timedelta(days=7)


class WaiverError(Exception):
    """A waiver file is bad. The message names file, waiver, what was found and what would be right."""


class Waiver(BaseModel):
    """An accepted failure: `check` failing on `target` for exactly `code`, until `expires` (UTC).

    `code` is the finding's reason code, as the report shows it; `owner` answers for it; `reason` says why it is accepted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    check: str = Field(min_length=1)
    target: str = Field(min_length=1)
    code: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    reason: str = Field(min_length=1)
    expires: AwareDatetime

    @property
    def summary(self) -> str:
        """Who accepted what, until when and why."""
        return f"{self.code} waived by {self.owner} until {_instant(self.expires)}: {self.reason}"


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    waiver: tuple[Waiver, ...] = ()


class Waivers:
    """The waivers for one target: `all` of them. `where` is the file that they come from."""

    def __init__(self, waivers: Iterable[Waiver] = (), where: str = "") -> None:
        self._where = where
        self.all = tuple(waivers)

    def troubles(self, severities: Mapping[str, Severity | None], now: datetime) -> list[str]:
        """Errors of the waivers: checks that do not exist, ends too far ahead.

        `severities` has every known check; None where its severity is not known in this run.
        """
        errors = []
        for waiver in self.all:
            if waiver.check not in severities:
                errors.append(f"{self._where}: waiver of {waiver.check}: no such check")
                continue
            p0 = severities[waiver.check] is Severity.P0
            longest = _LONGEST_P0 if p0 else _LONGEST
            if waiver.expires - now > longest:
                errors.append(
                    f"{self._where}: waiver of {waiver.check}: expires {_instant(waiver.expires)}; "
                    f"{'a P0' if p0 else 'a waiver'} may last {longest.days} days, "
                    f"so at most until {_instant(now + longest)}"
                )
        return errors

    def applied(self, check: str, outcome: Outcome, now: datetime) -> Outcome:
        """`outcome`, WAIVED where every finding that fails is covered by a waiver in force. Only a FAIL is touched."""
        mine = [w for w in self.all if w.check == check]
        if outcome.verdict is not Verdict.FAIL or not mine:
            return outcome
        in_force = {w.code: w for w in mine if w.expires > now}
        failing = {f.reason for f in outcome.findings if f.holds is False} | {outcome.reason}
        if failing <= in_force.keys():
            notes = [in_force[code].summary for code in sorted(failing)]
            return _noted(outcome, Verdict.WAIVED, notes)
        expired = [w for w in mine if w.code in failing and w.expires <= now]
        if expired:
            notes = [f"{w.summary}: this waiver has expired" for w in expired]
            return _noted(outcome, Verdict.FAIL, notes)
        return outcome

    def warnings(self, results: Iterable[CheckResult], now: datetime) -> list[str]:
        """Warnings of waivers that have expired, and of those that match no failure of the run."""
        judged = {r.id: r for r in results}
        lines = []
        for waiver in self.all:
            title = f"{self._where}: waiver of {waiver.check} ({waiver.code}, {waiver.owner})"
            result = judged.get(waiver.check)
            if waiver.expires <= now:
                lines.append(f"{title} expired at {_instant(waiver.expires)}; remove it or renew it")
            elif result is not None and waiver.code not in _failing(result):
                state = (
                    f"FAIL for {result.reason}" if result.verdict is Verdict.FAIL else result.verdict.value
                )
                lines.append(f"{title} matches nothing: the check is {state}")
        return lines


def _failing(result: CheckResult) -> set[str]:
    if result.verdict not in (Verdict.FAIL, Verdict.WAIVED):
        return set()
    return {f.reason for f in result.findings if f.holds is False} | {result.reason}


def _noted(outcome: Outcome, verdict: Verdict, notes: list[str]) -> Outcome:
    # As details of what fails it is shown wherever the finding is.
    failing = deciding(outcome.findings)
    findings = tuple(
        f.model_copy(update={"details": (*notes, *f.details)}) if f is failing else f
        for f in outcome.findings
    )
    return outcome.model_copy(
        update={"verdict": verdict, "explanation": "; ".join(notes), "findings": findings}
    )


def load_waivers(path: Path, target: str) -> Waivers:
    """The waivers that `path` has for the target of this name; one file may serve several targets.

    Raises:
        WaiverError: the file cannot be read, or does not fit.
    """
    try:
        read = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: cannot be read: {error}"
        raise WaiverError(msg) from None
    except tomllib.TOMLDecodeError as error:
        msg = f"{path}: not valid TOML: {error}"
        raise WaiverError(msg) from None
    except ValidationError as error:
        keys = ", ".join(Waiver.model_fields)
        lines = [
            f"{path}: {'.'.join(str(part) for part in each['loc'])}: {each['msg'].lower()}; "
            f"each [[waiver]] has {keys}"
            for each in error.errors()
        ]
        raise WaiverError("\n".join(lines)) from None
    return Waivers((w for w in read.waiver if w.target == target), path.name)


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%MZ}"
