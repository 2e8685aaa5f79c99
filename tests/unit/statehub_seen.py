"""What State Hub's unit tests judge: healthy values, but for what a test changes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from systems.statehub.activity.models import ActivityServer, Definition
from systems.statehub.kubernetes.models import Allowance, Deployment, Drift
from systems.statehub.schedule.models import Schedule
from systems.statehub.sweeps.models import Repos, SweepResult

if TYPE_CHECKING:
    from datetime import datetime

    from systems.statehub.activity.models import Promised

__all__ = ["allowance", "definition", "deployment", "drift", "repos", "result", "schedule", "server"]


def repos(*names: str) -> Repos:
    """These repositories."""
    return Repos(count=len(names), names=names)


def result(**fields: Any) -> SweepResult:
    """A scheduled sweep that worked and says no more than it must."""
    plain: dict[str, Any] = dict.fromkeys(SweepResult.model_fields)
    plain |= {
        "source": "activity-core",
        "lock_skipped": False,
        "exit_code": 0,
        "automation_error": False,
        "error": "",
    }
    return SweepResult(**(plain | fields))


def definition(promised: Promised, **fields: Any) -> Definition:
    """The definition as promised."""
    there = {"found": 1, "enabled": True, "trigger": "", "changed": None, **promised.model_dump()}
    return Definition(promised=promised, **(there | fields))


def server(started: datetime, **fields: Any) -> ActivityServer:
    """A primary whose clock is ours."""
    healthy: dict[str, Any] = {
        "version": "15", "cluster": "1", "started": started, "standby": False, "behind": timedelta(0),
        "refuses_writes": False, "ahead": timedelta(0),
    }  # fmt: skip
    return ActivityServer(**(healthy | fields))


def schedule(**fields: Any) -> Schedule:
    """One schedule, not paused; all that are found are counted."""
    healthy = Schedule.absent((), "7c4e").model_dump() | {"found": ("7c4e",), "overlap": "skip"}
    there = healthy | fields
    return Schedule(**({**there, "count": len(there["found"])} | fields))


def drift(*differences: str, compared: int = 3) -> Drift:
    """Three settings, all but these as applied."""
    return Drift(compared=compared, same=compared - len(differences), differences=differences)


def deployment(name: str, **fields: Any) -> Deployment:
    """A deployment that runs one build of i:1."""
    healthy: dict[str, Any] = Deployment.absent(name).model_dump()
    healthy |= {"found": True, "desired": 1, "available": 1, "images": ("i:1",), "image_ids": ("a",)}
    return Deployment(**(healthy | fields))


def allowance(**fields: Any) -> Allowance:
    """Nothing that is known."""
    nothing: dict[str, Any] = {
        "configured_s": None,
        "longest_s": None,
        "known_from": "somewhere",
        "missing": (),
    }
    return Allowance(**(nothing | fields))
