"""Where less evidence may look better, and why nobody could tell from what is left."""

from __future__ import annotations

__all__ = ["BAD_AT_ITS_LIMIT", "ROWS_BY_HAND", "UNNOTICED", "UNNOTICED_ON_THE_WIRE", "reason_for"]

_ALERTS = "Alertmanager lists an alert, and who mutes it, only while it is so."
_FIRED = "ALERTS has a series of an alert only while it fires."
_GIVEN = "What a service is given stands in its own definition, and what exists in Docker's one list."
_CERTIFICATE = "A certificate says itself until when it holds; a later day is good, wherever it comes from."
_CLOCK = "It is our own clock at the moment of the look: whoever sets it back sees every certificate hold."
_NISSA = "Nissa lists an alert only while it is active, and counts them nowhere."
_SLOS = "No program here publishes an SLO, and Nissa forgets those of others at a restart."

UNNOTICED: dict[tuple[str, str], str] = {
    ("errors", ".rates.series[]"): "A component's counter of errors is there from its first error on.",
    (
        "health_checks",
        ".failed.series[]",
    ): "An agent's counter of failed checks may be there from its first failure on.",
    ("recovery_watched", ".fired"): _FIRED,
    ("recovery_watched", ".fired[]"): _FIRED,
    ("standing_peers", ".active"): _ALERTS,
    ("cleared_admin", ".muted_by"): _ALERTS,
    ("cleared_admin", ".muted_by[]"): _ALERTS,
    ("configuration", ".secrets[]"): _GIVEN,
    ("configuration", ".services[].secrets"): _GIVEN,
    ("configuration", ".services[].secrets[]"): _GIVEN,
    ("configuration_now", ".secrets[]"): _GIVEN,
    (
        "validated",
        ".services.*",
    ): "The service manager's list is the only one; which there should be is B-SWM-1's.",
    ("service_networks", ".expected[]"): "It is what our own target names: no evidence of the system.",
    **{
        (f"{surface}_published", place): why
        for surface in ("alertmanager", "api", "grafana", "prometheus")
        for place, why in ((".at", _CLOCK), (".not_after", _CERTIFICATE))
    },
    ("nissa_summary", ".alerts"): _NISSA,
    ("nissa_summary", ".alerts[]"): _NISSA,
    ("nissa_summary", ".slos"): _SLOS,
    ("nissa_summary", ".slos[]"): _SLOS,
    (
        "conservative_mode",
        ".reasons",
    ): "Tamiyo puts a pause into its packet only where it paused, and keeps no count.",
    (
        "forge",
        ".forge.pending",
    ): "The forge's log names what is not compiled yet, and nothing else counts that.",
}
"""Observation and place in it (`*`: any name) → why its absence is not noticed."""

UNNOTICED_ON_THE_WIRE: dict[tuple[str, str], str] = {
    ("api_components", "checks.checks.*"): "An agent's own list of its components is the only one.",
    ("cleared_admin", "silences"): "A silence is in Alertmanager's list, and nowhere else.",
    ("cleared_admin", "silences[]"): "A silence is in Alertmanager's list, and nowhere else.",
    ("recovery_watched", "query_range.data.result"): _FIRED,
    ("standing_peers", "alerts"): _ALERTS,
}
"""Observation and place in a reply → the same."""


def reason_for(name: str, place: str, among: dict[tuple[str, str], str]) -> tuple[str, str] | None:
    """The entry that this place of an observation falls under, if any."""
    if (name, place) in among:
        return name, place
    folder = name, place.rpartition(".")[0] + ".*"
    return folder if folder in among else None


BAD_AT_ITS_LIMIT: dict[tuple[str, str], str] = {}
"""Check and threshold → why a value that is exactly at it is bad already."""

ROWS_BY_HAND: dict[tuple[str, str], str] = {}
"""Check and threshold that no recorded evidence turns on → the test of units that has the rows at its boundary."""
