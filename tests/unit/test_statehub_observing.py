"""State Hub's observations say what was answered and what is missing, whatever any threshold is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from opsverify.model.observation import ErrorKind, Unobservable
from systems.statehub.api.target import HttpTarget
from systems.statehub.kubernetes.target import KubernetesTarget
from systems.statehub.section import StateHubSection
from systems.statehub.sweeps.models import SweepEvent
from systems.statehub.system import STATEHUB
from tests.unit.statehub_seen import result

HOUR = timedelta(hours=1)
CLUSTER = KubernetesTarget(kubeconfig="k")
REFUSED = Unobservable(ErrorKind.REFUSED, "nobody listens")
SECTION = StateHubSection(
    api=HttpTarget(url="http://a:1"), bridge=HttpTarget(url="http://b:1"), kubernetes=CLUSTER
)


class Hub:
    """A State Hub as its client shows it; what is an Unobservable is raised."""

    def __init__(self, **answers: Any) -> None:
        self.section, self.answers = SECTION, answers
        self.api = SimpleNamespace(events=self._events, date=lambda: self._give("api"))
        self.bridge = SimpleNamespace(date=lambda: self._give("bridge"))
        self.kubernetes = SimpleNamespace(target=CLUSTER, read=self._read, date=lambda: self._give("cluster"))
        self.activity = SimpleNamespace(
            definitions=lambda: self._give("definitions"), runs=self._runs, ahead=lambda: self._give("server")
        )

    async def _give(self, name: str) -> Any:
        answer = self.answers[name]
        if isinstance(answer, Unobservable):
            raise answer
        return answer

    async def _events(self, _limit: int) -> Any:
        return await self._give("events"), 0, True

    async def _runs(self, _since: datetime, _most: int) -> Any:
        return [], await self._give("server")

    async def _read(self, path: str) -> Any:
        return await self._give("job" if "/jobs/" in path else "pods" if "/pods?" in path else "object")


def look(name: str, **answers: Any) -> Any:
    """The value of one observation."""
    spec = next(s for s in STATEHUB.observations if s.name == name)

    async def observed() -> Any:
        return await spec.function(Hub(**answers))

    return asyncio.run(observed())


def event(ago: timedelta, **fields: Any) -> SweepEvent:
    """A scheduled sweep's event."""
    return SweepEvent(id=f"e{ago}", at=datetime.now(UTC) - ago, result=result(**fields))


def definition(**fields: Any) -> dict[str, Any]:
    """The definition's row."""
    known = SECTION.schedule
    row = {"id": known.id, "name": known.name, "trigger": known.cron, "misfire": "skip", "enabled": True}
    return row | {"changed": None} | fields


@pytest.mark.parametrize("took", [1.0, 360.0, 5000.0])
def test_the_longest_sweep_is_told_however_long_it_was(took: float) -> None:
    """Where the configuration does not answer, what else is known comes with what is missing."""
    seen = look("bridge_allowance", object=REFUSED, events=(event(HOUR, took_s=took),))
    assert (seen.configured_s, seen.longest_s) == (None, took)
    assert seen.missing == (
        "no time limit in the bridge's configuration",
        "kubernetes: refused: nobody listens",
    )


def test_what_nobody_answers_is_unobservable() -> None:
    """Neither the configuration nor a sweep."""
    with pytest.raises(Unobservable, match=r"kubernetes: refused.*api: refused"):
        look("bridge_allowance", object=REFUSED, events=REFUSED)
    with pytest.raises(Unobservable, match="no source returned its clock"):
        look("clocks", api=REFUSED, bridge=REFUSED, cluster=REFUSED)


def test_a_clock_that_does_not_answer_is_missing() -> None:
    """The others are told all the same."""
    now = str(datetime.now(UTC).timestamp())
    seen = look("clocks", api=now, bridge=REFUSED, cluster=now)
    assert [name for name, _ in seen.ahead] == ["api", "kubernetes"]
    assert seen.missing == ("bridge: refused: nobody listens",)


def test_the_job_is_told_as_it_is() -> None:
    """One that runs, and one that is gone with a definition that has no time, are answers."""
    running = {"metadata": {"name": "j"}, "status": {"active": 1}}
    assert look("sync_job", job=running).state == "running"
    seen = look("sync_job", job=None, definitions=[definition()])
    assert (seen.state, seen.definition.found, seen.definition.changed) == ("absent", 1, None)


def test_a_rollout_is_told_as_it_is() -> None:
    """A deployment that is being rolled out is observed with the others."""
    labels = {"app": "a"}
    one = {
        "metadata": {"name": "d", "generation": 2},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"spec": {"containers": []}},
        },
        "status": {"observedGeneration": 1, "updatedReplicas": 0, "replicas": 1, "availableReplicas": 1},
    }
    seen = look("deployments", object=one, pods={"items": []})
    assert [d.rolling for d in seen.deployments] == ["0 of 1 replicas updated"] * 3


@pytest.mark.parametrize("ahead", [timedelta(0), HOUR])
def test_runs_are_told_by_any_clock(ahead: timedelta) -> None:
    """How far the database's clock is off is told, also where no instant has had its time yet."""
    server = {"ahead": ahead, "behind": timedelta(0), "standby": False}
    changed = datetime.now(UTC)
    seen = look("activity_runs", server=server, definitions=[definition(changed=changed)])
    assert (seen.ahead, seen.since, seen.runs) == (ahead, changed, ())


def test_a_standby_shows_its_own_past_and_never_the_future() -> None:
    """What it shows is as old as it is behind; a primary's clock that is ahead makes it no younger than now."""
    for behind, least, most in ((HOUR, HOUR, HOUR), (-HOUR, timedelta(0), timedelta(0))):
        server = {"ahead": timedelta(0), "behind": behind, "standby": True}
        before = datetime.now(UTC)
        as_of = look("activity_runs", server=server, definitions=[]).as_of
        assert before - most <= as_of <= datetime.now(UTC) - least


@pytest.mark.parametrize("ahead", [timedelta(0), HOUR])
def test_events_are_told_by_any_clock(ahead: timedelta) -> None:
    """An event of the future is observed, and by how much; a stretch without any sweep is one without."""
    seen = look("progress_events", events=(event(-ahead),))
    assert abs(seen.ahead - ahead) < timedelta(seconds=2)
    later = definition(changed=datetime.now(UTC) + HOUR * 2)
    assert look("sources", events=(event(-ahead),), definitions=[later]).judged == ()
