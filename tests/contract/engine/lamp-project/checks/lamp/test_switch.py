"""The switch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opsverify.model.judge import verify
from opsverify.model.verdict import Finding

if TYPE_CHECKING:
    from lamp_client import Reading

    from opsverify.model.observation import Observation


@pytest.mark.check(id="L-SWI-1", severity="P0", profiles="smoke canary incident", unreachable="fail")
def test_the_lever_is_on(lever: Observation[Reading]) -> None:
    """The lever stands on "on"."""
    seen = lever.value.value
    verify(Finding(holds=seen == "on", reason="switched-off", expected="on", observed=f"{seen}"))


@pytest.mark.check(id="L-SWI-2", severity="P1", profiles="canary incident")
def test_the_switch_clicks(pressed: Observation[Reading]) -> None:
    """The switch clicks when it is pressed."""
    verify(
        Finding(
            holds=pressed.value.value == "clicked",
            reason="mute",
            expected="a click",
            observed=f"{pressed.value.value}",
        )
    )
