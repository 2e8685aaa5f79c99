"""The rules of what is published, of storage, nodes' use, settings and logs' sizes, at their boundaries."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.capacity.criteria import nodes as nodes_criteria
from checks.bzzz.capacity.criteria import nodes as use
from checks.bzzz.logs import criteria as logs_criteria
from checks.bzzz.published import criteria as published_criteria
from checks.bzzz.storage import criteria as storage_criteria
from systems.bzzz.capacity.models import ResourceUse, Uses
from systems.bzzz.limits import BzzzLimits
from systems.bzzz.logs.models import LogFile, NodeLogs
from systems.bzzz.published.models import Endpoint
from systems.bzzz.storage.models import StoragePath, StorageState, StorageWritten

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIMITS = BzzzLimits()
SECOND = timedelta(seconds=1)
GIB = 1024**3


def endpoint(lasts: timedelta = timedelta(days=90), **more: Any) -> Endpoint:
    """An address that answers over TLS, with a certificate that lasts so long."""
    known: dict[str, Any] = {
        "url": "https://grafana.test",
        "host": "grafana.test",
        "at": NOW,
        "status": 200,
        "tls": True,
        "trouble": "",
        "names": ("grafana.test",),
        "issuer": "an authority",
        "not_before": NOW - timedelta(days=1),
        "not_after": NOW + lasts,
    }
    return Endpoint(**{**known, **more})


@pytest.mark.parametrize(
    ("lasts", "reason"),
    [
        (timedelta(days=14), "certificate-right"),
        (timedelta(days=14) - SECOND, "certificate-expiring"),
        (timedelta(0), "certificate-expiring"),
        (timedelta(days=9000), "certificate-right"),
        (None, "no-expiry"),
    ],
)
def test_a_certificate_has_to_last_two_weeks(lasts: timedelta | None, reason: str) -> None:
    """Fourteen days are enough, a second less is not, nor is one whose end nobody knows."""
    seen = endpoint(not_after=None) if lasts is None else endpoint(lasts)
    found = published_criteria.published(seen, LIMITS)
    known = {"certificate-right": True, "certificate-expiring": False}
    assert (found.reason, found.holds) == (reason, known.get(reason))


@pytest.mark.parametrize(
    ("trouble", "lasts", "reason", "told"),
    [
        ("expired", -timedelta(days=3), "certificate-expired", "expired 3 days ago"),
        ("expired", timedelta(days=30), "certificate-expired", "its issuer's certificate has expired"),
        ("not-yet-valid", timedelta(days=30), "not-yet-valid", "not valid before 2026-11-20 12:00 UTC"),
        ("wrong-name", timedelta(days=30), "wrong-name", "but not for grafana.test"),
        ("wrong-name", -timedelta(days=3), "wrong-name", "expired 3 days ago, but not for"),
        ("too-weak", timedelta(days=30), "too-weak", "is too weak"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_said(
    trouble: Any, lasts: timedelta, reason: str, told: str
) -> None:
    """No trouble passes, however long the certificate lasts."""
    found = published_criteria.published(endpoint(lasts, trouble=trouble), LIMITS)
    assert (found.holds, found.reason) == (False, reason)
    assert told in found.observed


def test_plain_http_needs_a_reason() -> None:
    """The target's own reason is shown; without one it fails and says how to give it."""
    plain = endpoint(tls=False, not_after=None, not_before=None)
    assert (
        published_criteria.published(plain, LIMITS).holds,
        published_criteria.published(plain, LIMITS).reason,
    ) == (
        False,
        "no-tls",
    )
    assert "`without_tls`" in published_criteria.published(plain, LIMITS).details[0]
    excused = published_criteria.published(plain.model_copy(update={"without_tls": "inside only"}), LIMITS)
    assert (excused.holds, excused.reason) == (True, "without-tls")
    assert "inside only" in excused.observed


def path(**more: Any) -> StoragePath:
    """A path that is as it should be."""
    known: dict[str, Any] = {
        "path": "/rust",
        "mount": "/rust",
        "type": "nfs4",
        "device": "nas:/bzzz",
        "options": ("rw", "vers=4.2"),
        "trouble": "",
        "writable": True,
        "size": 1000,
        "free": 500,
    }
    return StoragePath(**{**known, **more})


def storage(*paths: StoragePath) -> StorageState:
    """A host that sees these."""
    needed = tuple(each.path for each in paths)
    return StorageState(host="local://", types=("nfs", "nfs4"), needed=needed, paths=paths)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "mounted"),
        ({"type": "nfs"}, "mounted"),
        ({"type": "nfs3"}, "not-mounted"),
        ({"type": ""}, "not-mounted"),
        ({"trouble": "hangs"}, "storage-hangs"),
        ({"trouble": "stale"}, "stale-handle"),
        ({"trouble": "missing"}, "path-missing"),
        ({"trouble": "fails"}, "path-fails"),
        ({"trouble": "missing", "type": "ext4"}, "not-mounted"),
        ({"trouble": "hangs", "type": "autofs"}, "storage-hangs"),
    ],
)
def test_a_path_is_in_its_mount_and_answers(more: dict[str, Any], reason: str) -> None:
    """What hangs is said to hang, whatever it lies in; what lies elsewhere is not mounted."""
    found = storage_criteria.mounted(storage(path(path="/well"), path(**more)))
    assert (found.holds, found.reason) == (reason == "mounted", reason)
    assert found.holds or found.details[0].startswith("/rust: ")


def test_of_several_paths_the_worst_is_told() -> None:
    """Whatever stands first; and of no path nothing is said."""
    missing, hangs = path(path="/a", trouble="missing"), path(path="/b", trouble="hangs")
    assert storage_criteria.mounted(storage(missing, hangs)).reason == "storage-hangs"
    none = storage_criteria.mounted(storage())
    assert (none.holds, none.reason) == (None, "no-paths")


def test_a_path_that_is_needed_and_was_not_looked_at_leaves_it_open() -> None:
    """What is wrong with another is known all the same."""
    half = storage(path()).model_copy(update={"needed": ("/rust", "/backup")})
    for found in (
        storage_criteria.mounted(half),
        storage_criteria.usable(half),
        storage_criteria.roomy(half, LIMITS),
    ):
        assert (found.holds, found.reason) == (None, "part-missing")
    full = half.model_copy(update={"paths": (path(free=0, options=("ro",), type="ext4"),)})
    assert [storage_criteria.mounted(full).reason, storage_criteria.usable(full).reason] == [
        "not-mounted",
        "read-only",
    ]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, "writable"),
        ({"options": ("ro",)}, "read-only"),
        ({"options": ("rw", "errors=remount-ro")}, "writable"),
        ({"options": ("ro",), "writable": False}, "read-only"),
        ({"writable": False}, "not-writable"),
        ({"writable": False, "trouble": "stale"}, "not-there"),
    ],
)
def test_a_path_that_is_there_may_be_written_to(more: dict[str, Any], reason: str) -> None:
    """Read-only is told from not allowed; of what is not there nobody knows."""
    found = storage_criteria.usable(storage(path(**more)))
    assert (found.reason, found.holds) == (reason, {"writable": True, "not-there": None}.get(reason, False))
    beside = storage_criteria.usable(
        storage(path(path="/a", writable=False), path(path="/b", options=("ro",)))
    )
    assert beside.reason == "read-only"


@given(st.integers(1, 10**18), st.integers(0, 10**18))
def test_a_tenth_of_a_file_system_has_to_be_free(size: int, free: int) -> None:
    """Exactly a tenth is enough."""
    found = storage_criteria.roomy(storage(path(size=size, free=free)), LIMITS)
    assert found.holds is (free >= 0.1 * size)
    assert found.observed.startswith("/rust: ")


GONE, FULL = {"trouble": "hangs", "free": 0}, {"free": 99}


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (({"free": 100},), "room-left"),
        ((FULL,), "storage-full"),
        ((GONE,), "not-there"),
        (({"type": "ext4", "free": 0},), "not-there"),
        (({}, GONE), "not-there"),
        ((GONE, FULL), "storage-full"),
        (({"size": 0, "free": 0},), "size-unknown"),
        (({"size": 0, "free": 0}, FULL), "storage-full"),
        ((), "not-there"),
    ],
)
def test_what_is_not_there_has_no_room_to_speak_of(paths: tuple[dict[str, Any], ...], reason: str) -> None:
    """Where a path is not there, or its size is not told, nobody knows; one that is full is full beside it."""
    found = storage_criteria.roomy(
        storage(*(path(path=f"/{n}", **more) for n, more in enumerate(paths))), LIMITS
    )
    assert (found.reason, found.holds) == (reason, {"room-left": True, "storage-full": False}.get(reason))


def test_a_file_that_was_not_taken_is_told_by_its_path() -> None:
    """Empty text is well; anything else is why not."""
    told = storage_criteria.written(
        StorageWritten(host="h", results={"/a": "", "/b": "cannot be written: full"})
    )
    assert (told.holds, told.reason, told.observed) == (False, "write-failed", "/b: cannot be written: full")
    assert storage_criteria.written(StorageWritten(host="h", results={"/a": ""})).reason == "written"
    none = storage_criteria.written(StorageWritten(host="h", results={}))
    assert (none.holds, none.reason) == (None, "not-tried")


def uses(*values: float, stale: tuple[str, ...] = (), what: str = "") -> Uses:
    """What some nodes use."""
    found = tuple(ResourceUse(node=f"n{i}", what=what, value=value) for i, value in enumerate(values))
    return Uses(at=NOW, uses=found, stale=stale)


USES = {
    "cpu": (use.cpu_below, LIMITS.cpu_use),
    "memory": (use.memory_below, LIMITS.memory_use),
    "disk": (use.disk_below, LIMITS.disk_use),
    "io-wait": (use.io_wait_below, LIMITS.io_wait),
    "network": (use.network_below, LIMITS.network_use),
}


@given(st.sampled_from([*USES]), st.lists(st.floats(0, 2), min_size=1, max_size=30))
def test_every_node_has_to_be_below_the_limit(what: str, values: list[float]) -> None:
    """At the limit is not below it, and the highest is told, first."""
    rule, limit = USES[what]
    found = rule(uses(*values), LIMITS)
    over = [value for value in values if value >= limit.value]
    assert found.holds is not bool(over)
    assert f"{max(values):.1%}" in (found.details[0] if over else found.observed)


@pytest.mark.parametrize("what", USES)
def test_what_was_left_out_is_unknown_unless_another_is_too_much(what: str) -> None:
    """A node that nobody saw is no pass, and hides no failure; and a use that is no number is not below any limit."""
    rule, limit = USES[what]
    well = math.nextafter(limit.value, 0)
    for seen, reason in (
        (uses(well), "below"),
        (uses(limit.value), "high"),
        (uses(well, limit.value, stale=("b: down",)), "high"),
        (uses(math.nan), "high"),
    ):
        assert rule(seen, LIMITS).reason == f"{what}-{reason}"
    for seen in (uses(well, 0.1, stale=("b: down",)), uses(), uses(stale=("b: down",))):
        found = rule(seen, LIMITS)
        assert (found.holds, found.reason) == (None, "part-missing")
    left_out = rule(uses(well, stale=("b: down",)), LIMITS)
    assert "measured only on n0; b: down" in left_out.observed
    assert "left out: b: down" in left_out.details


BUFFERS = ("net.core.rmem_max", "net.core.wmem_max")


@pytest.mark.parametrize("what", BUFFERS)
@pytest.mark.parametrize(
    ("value", "stale", "reason"),
    [
        (16_777_217, (), "tuned"),
        (16_777_216, (), "tuned"),
        (16_777_215, (), "not-tuned"),
        (0, (), "not-tuned"),
        (math.nan, (), "not-tuned"),
        (16_777_216, ("b: down",), "part-missing"),
        (16_777_215, ("b: down",), "not-tuned"),
    ],
)
def test_buffers_are_at_least_what_the_runbook_sets(
    what: str, value: float, stale: tuple[str, ...], reason: str
) -> None:
    """Exactly that is enough, for each of the two; of a node that does not tell nobody knows."""
    well = [ResourceUse(node="n", what=each, value=16_777_216) for each in BUFFERS]
    told = (*well, ResourceUse(node="m", what=what, value=value))
    seen = Uses(at=NOW, uses=told, stale=stale)
    found = nodes_criteria.tuned(seen, LIMITS)
    assert (found.reason, found.holds) == (reason, {"tuned": True, "not-tuned": False}.get(reason))


def test_a_buffer_that_nobody_tells_is_not_tuned() -> None:
    """One of the two of every node is half of what is asked."""
    found = nodes_criteria.tuned(uses(16_777_216, what=BUFFERS[0]), LIMITS)
    assert (found.reason, found.holds) == ("part-missing", None)


def logs(*sizes: int, **more: Any) -> NodeLogs:
    """A node's logs of these sizes."""
    files = tuple(LogFile(path=f"/var/log/{i}", size=size) for i, size in enumerate(sizes))
    known: dict[str, Any] = {"node": "n", "folders": ("/var/log",), "size": sum(sizes), "count": len(sizes)}
    return NodeLogs(**{**known, "largest": files, "missing": (), "trouble": "", **more})


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (logs(GIB), "logs-bounded"),
        (logs(GIB + 1), "log-too-large"),
        (logs(1, size=10 * GIB), "logs-bounded"),
        (logs(1, size=10 * GIB + 1), "logs-too-large"),
        (logs(GIB + 1, size=10 * GIB + 1), "log-too-large"),
        (logs(), "logs-bounded"),
        (logs(5, trouble="refused: x"), "part-missing"),
        (logs(5, count=2), "part-missing"),
        (logs(1, 1, 1, 1, 1, count=9), "logs-bounded"),
        (logs(GIB + 1, count=2), "log-too-large"),
        (logs(folders=("/a",), missing=("/a",)), "part-missing"),
        (logs(GIB + 1, trouble="refused: x"), "log-too-large"),
    ],
)
def test_logs_are_bounded_each_and_in_all(seen: NodeLogs, reason: str) -> None:
    """What is exactly as large as it may be is not too large; of what was not looked at nobody knows."""
    found = logs_criteria.logs_bounded((logs(5), seen), LIMITS)
    known = {"logs-bounded": True, "part-missing": None}
    assert (found.holds, found.reason) == (known.get(reason, False), reason)


def test_logs_of_no_node_are_not_bounded() -> None:
    """Where no node was looked at nobody knows."""
    found = logs_criteria.logs_bounded((), LIMITS)
    assert (found.holds, found.reason) == (None, "part-missing")


@pytest.mark.parametrize(
    ("more", "unseen"),
    [
        ({}, False),
        ({"trouble": "refused: x"}, True),
        ({"folders": ("/a", "/b"), "missing": ("/a",)}, False),
        ({"folders": ("/a", "/b"), "missing": ("/a", "/b")}, True),
    ],
)
def test_logs_without_a_folder_were_not_seen(more: dict[str, Any], *, unseen: bool) -> None:
    """One folder that is not there is told; none at all is nothing to judge."""
    assert bool(logs(5, **more).unseen) is unseen
