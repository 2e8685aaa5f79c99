"""Limits carry value, unit and source, and a target sets them by a bare number."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import ValidationError

from opsverify.model.limits import Limit, Limits


class Depths(Limits):
    """Two limits."""

    depth: Limit = Limit(value=4000, unit="entries", source="runbook 3.2")
    window: Limit = Limit(value=1.5, unit="s", source="assumed")


def test_a_number_in_the_target_keeps_unit_and_names_both_sources() -> None:
    """A number replaces the value, keeps the unit, and says what was documented."""
    depth = Depths.model_validate({"depth": 10}).depth
    assert (depth.value, depth.unit) == (10, "entries")
    assert depth.source == "set in the target; default 4000: runbook 3.2"
    assert Depths.model_validate({"depth": 10}).window == Depths().window


def test_a_whole_limit_may_be_given() -> None:
    """A table with value, unit and source stands as it is."""
    given = {"value": 1, "unit": "min", "source": "contract"}
    assert Depths.model_validate({"depth": given}).depth == Limit(value=1, unit="min", source="contract")


@pytest.mark.parametrize(
    "bad",
    [
        {"depth": True},
        {"depth": "many"},
        {"deep": 1},
        {"depth": {"value": 1}},
        {"depth": {"value": 1, "unit": "s", "source": "x", "y": 1}},
    ],
)
def test_what_is_no_limit_is_refused(bad: dict[str, object]) -> None:
    """Booleans, words, unknown names and incomplete tables are refused."""
    with pytest.raises(ValidationError):
        Depths.model_validate(bad)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_limit_that_nothing_can_break_is_refused(value: float) -> None:
    """A limit that is not a finite number is refused: everything would pass it."""
    with pytest.raises(ValidationError):
        Depths.model_validate({"depth": value})


def test_limits_are_shown_with_unit_and_source() -> None:
    """A finding shows name, value, unit and source; seconds are durations."""
    assert str(Depths().window) == "1.5 s"
    assert Depths().depth.named("depth") == "depth = 4000 entries (runbook 3.2)"
    assert Depths().window.duration == timedelta(seconds=1.5)
