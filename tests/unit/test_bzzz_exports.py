"""The rules of the configuration export at their boundaries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from checks.bzzz.backups import criteria as backups
from systems.bzzz.backups.models import KINDS, Configured, Export, ExportedService
from systems.bzzz.limits import BzzzLimits

NOW = datetime(2026, 1, 31, 3, 0, tzinfo=UTC)
LIMITS = BzzzLimits()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AHEAD = LIMITS.clock_ahead.duration
A_BIT = timedelta(seconds=1)
SERVICES = {"agent": ExportedService(image="a@sha256:1", replicas=3)}


def export(**changes: Any) -> Export:
    """A whole export."""
    whole = {
        "folder": "/x", "at": NOW, "oldest": NOW - HOUR, "absent": (), "problems": (), "secrets": ("s",),
        "without_payload": ("s",), "configs": {"c": "d1"}, "services": SERVICES, "payloads": "the vault",
        "there": KINDS, "files": 3, "read": 3,
    }  # fmt: skip
    return Export.model_validate(whole | changes)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "whole"),
        ({"oldest": NOW - 7 * DAY}, "whole"),
        ({"oldest": NOW - 7 * DAY - A_BIT}, "old"),
        ({"oldest": NOW + AHEAD + A_BIT}, "from-the-future"),
        ({"absent": ("/x/services.json",), "problems": ("x",), "oldest": None}, "absent"),
        ({"problems": ("x",), "oldest": NOW - 99 * DAY}, "not-readable"),
        ({"there": ("secrets", "configs")}, "absent"),
        ({"there": ()}, "absent"),
        ({"read": 2}, "not-readable"),
        ({"payloads": ""}, "no-payloads"),
        ({"payloads": "", "without_payload": ()}, "whole"),
        ({"payloads": "", "oldest": NOW - 8 * DAY}, "old"),
        ({"oldest": NOW - 7 * DAY + A_BIT}, "whole"),
        ({"oldest": NOW + AHEAD}, "whole"),
        ({"oldest": None}, "not-dated"),
        ({"oldest": None, "payloads": ""}, "no-payloads"),
        ({"secrets": (), "without_payload": (), "configs": {}, "services": {}}, "nothing-exported"),
    ],
)
def test_an_export_is_there_readable_young_and_its_payloads_kept(change: dict[str, Any], reason: str) -> None:
    """The first of what is wrong is the reason: absent, not readable, old, no payloads; nothing in it is no pass."""
    found = backups.export_whole(export(**change), LIMITS)
    holds = {"whole": True, "not-dated": None, "nothing-exported": None}.get(reason, False)
    assert (found.holds, found.reason) == (holds, reason)


def now(**changes: Any) -> Configured:
    """What the manager has, as it was exported."""
    whole = {
        "secrets": ("s",), "configs": {"c": "d1"}, "services": SERVICES, "changed": {}, "used": {"agent": ("c", "s")},
    }  # fmt: skip
    return Configured.model_validate(whole | changes)


@pytest.mark.parametrize(
    ("change", "reason", "told"),
    [
        ({}, "agrees", "1 secrets"),
        ({"secrets": ("s", "s_v2")}, "incomplete", "secret s_v2 is not in the export"),
        ({"configs": {"c": "d2"}}, "changed-since", "config c has another payload"),
        ({"configs": {"c": "d1", "e": "d2"}}, "incomplete", "config e is not in the export"),
        ({"services": {"agent": {"image": "a@sha256:2", "replicas": 3}}}, "changed-since", "a@sha256:2"),
        ({"services": {"agent": {"image": "a@sha256:1", "replicas": 2}}}, "changed-since", "2 replicas"),
        ({"services": {**SERVICES, "front": SERVICES["agent"]}}, "incomplete", "service front"),
        ({"secrets": (), "configs": {}, "services": {}, "used": {}}, "nothing-there", "0 secrets"),
        ({"services": {}, "used": {}}, "nothing-there", "1 secrets"),
        ({"services": {}}, "nothing-there", "agent: the manager does not list"),
        ({"configs": {}}, "part-missing", "agent: the manager does not list c"),
        ({"secrets": ()}, "part-missing", "agent: the manager does not list s"),
        (
            {"used": {"agent": (), "front": ()}},
            "part-missing",
            "front: the manager does not list the service itself",
        ),
        ({"configs": {}, "used": {"agent": ()}}, "agrees", "0 configs"),
        ({"configs": {}, "secrets": ("s", "t")}, "incomplete", "secret t"),
    ],
)
def test_an_export_is_of_what_there_is_now(change: dict[str, Any], reason: str, told: str) -> None:
    """What was added or changed since the export is named; what was removed since is no harm to a restore, but what a service
    is given cannot have been removed.
    """
    found = backups.export_agrees(export(), now(**change))
    holds = {"agrees": True, "nothing-there": None, "part-missing": None}.get(reason, False)
    assert (found.holds, found.reason) == (holds, reason)
    assert told in found.observed


def test_an_export_without_services_lacks_each_of_them() -> None:
    """Where there is no service definition every service is named as missing."""
    many = {f"s{n}": SERVICES["agent"] for n in range(30)}
    found = backups.export_agrees(export(services={}), now(services=many, used={}))
    assert (found.reason, len(found.details)) == ("incomplete", 20)
