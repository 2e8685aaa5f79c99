"""Where less evidence may look better: the element is the trouble itself, and who sends it leaves it out when all is well."""

from __future__ import annotations

__all__ = ["ONLY_TROUBLES"]

ONLY_TROUBLES: dict[tuple[str, str], str] = {
    ("errors", ".rates.series[]"): "a component's counter of errors is there from its first error on",
    ("recovery_watched", ".fired"): "ALERTS has a series of an alert only while it fires",
    ("recovery_watched", ".fired[]"): "ALERTS has a series of an alert only while it fires",
    ("nissa_summary", ".alerts"): "Nissa lists an alert only while it is active, and counts them nowhere.",
    ("nissa_summary", ".alerts[]"): "Nissa lists an alert only while it is active, and counts them nowhere.",
    (
        "nissa_summary",
        ".slos",
    ): "No program here publishes an SLO, and Nissa forgets those of others at a restart.",
    (
        "nissa_summary",
        ".slos[]",
    ): "No program here publishes an SLO, and Nissa forgets those of others at a restart.",
    (
        "conservative_mode",
        ".reasons",
    ): "Tamiyo puts a pause into its packet only where it paused, and keeps no count.",
    (
        "forge",
        ".forge.pending",
    ): "The forge's log names what is not compiled yet, and nothing else counts that.",
}
"""Observation and place in it → why nobody could expect it to be there."""
