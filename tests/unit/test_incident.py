"""Which checks an incident needs, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opsverify.model.check import Check
from opsverify.model.deadline import seconds
from opsverify.model.observation import ObservationSpec
from opsverify.model.verdict import Severity
from opsverify.target.incident import of_alert

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOKS: Mapping[str, tuple[str, ...]] = {
    "A-RED-1": ("redis",),
    "A-RED-2": ("redis",),
    "A-RED-3": ("redis",),
    "A-WEB-1": ("web",),
    "A-BTH-1": ("redis", "web"),
    "A-NIL-1": (),
    "B-RED-1": ("redis",),
}


async def _look(_client: object) -> int:
    return 1


def _body() -> None:
    """A promise."""


def check(
    check_id: str, severity: str = "P0", *, alert: str = "", next_step: str = "", profiles: str = "incident"
) -> Check:
    """A check with this id; what it looks at stands in LOOKS."""
    return Check(
        id=check_id,
        row=check_id,
        severity=Severity(severity),
        profiles=frozenset(profiles.split()),
        system=check_id[0].lower(),
        subsystem="part",
        name="it",
        promise="it",
        nodeid=check_id,
        function=_body,
        alert=alert,
        next_step=next_step,
    )


def specs_of(one: Check) -> list[ObservationSpec]:
    """What a check looks at."""
    surfaces = LOOKS[one.id]
    return (
        [
            ObservationSpec(
                name=one.id, system=one.system, surfaces=surfaces, deadline=seconds(1), function=_look
            )
        ]
        if surfaces
        else []
    )


def test_dependencies_are_the_p0_checks_of_the_same_surfaces() -> None:
    """A P0 check of another surface, of another system, of more surfaces, or of none is no dependency; nor is a P1."""
    incident = of_alert(
        "Deep",
        [
            check("A-RED-1", "P1", alert="Deep"),
            check("A-RED-2"),
            check("A-RED-3", "P1"),
            check("A-WEB-1"),
            check("A-BTH-1"),
            check("A-NIL-1"),
            check("B-RED-1"),
        ],
        specs_of,
    )
    assert (incident.dependencies, incident.tied, incident.named) == (("A-RED-2",), ("A-RED-1",), ())
    assert [incident.place(i) for i in ("A-RED-2", "A-RED-1", "A-WEB-1")] == [0, 1, None]


def test_what_a_next_step_names_is_looked_at_last() -> None:
    """Rows that a tied check's next step names follow, each once; rows that do not exist are no trouble."""
    tied = check("A-RED-1", "P1", alert="Deep", next_step="see A-WEB-1, A-RED-2 and A-WEB-1; A-GON-9 is gone")
    incident = of_alert("Deep", [check("A-WEB-1"), check("A-RED-2"), tied], specs_of)
    assert (incident.dependencies, incident.tied, incident.named) == (
        ("A-RED-2",),
        ("A-RED-1",),
        ("A-WEB-1",),
    )


def test_only_the_profile_incident_counts() -> None:
    """A drill of the same alert is not part of the incident; an alert with drills alone is unknown."""
    drill = check("A-RED-1", alert="Deep", profiles="drill")
    with pytest.raises(pytest.UsageError, match="no check is tied to this alert; alerts are none"):
        of_alert("Deep", [drill], specs_of)
    incident = of_alert("Deep", [drill, check("A-RED-2", "P1", alert="Deep")], specs_of)
    assert incident.tied == ("A-RED-2",)
    assert incident.dependencies == ()
