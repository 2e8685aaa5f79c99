"""The bulb."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opsverify.model.judge import verify
from opsverify.model.verdict import Finding

if TYPE_CHECKING:
    from lamp_client import Reading, Serial
    from lamp_target import LampLimits

    from opsverify.model.observation import Bracketed, Observation


@pytest.mark.check(
    id="L-BLB-1",
    severity="P1",
    profiles="smoke canary incident",
    runbook="§1 Bulb",
    alert="LampDark",
    next_step="screw in another bulb; is it switched on (L-SWI-1)?",
)
def test_the_bulb_shines(brightness: Observation[Reading], limits: LampLimits) -> None:
    """The bulb is bright enough."""
    seen, needed = brightness.value.value, limits.brightness
    verify(
        Finding(
            holds=not isinstance(seen, str) and seen >= needed.value,
            reason="too-dark",
            expected=f"at least {needed}",
            observed=f"{seen}",
            limits=(needed.named("brightness"),),
        )
    )


@pytest.mark.check(id="L-BLB-2", severity="P2", profiles="smoke canary incident")
def test_the_bulb_does_not_flicker(flicker: Observation[tuple[Reading, Reading]]) -> None:
    """The bulb is as bright at the end of the window as at its start."""
    first, last = flicker.value
    verify(
        Finding(
            holds=first == last,
            reason="flickers",
            expected="no change",
            observed=f"{first.value} then {last.value}",
        )
    )


@pytest.mark.check(id="L-BLB-3", severity="P0", profiles="canary incident")
def test_it_is_one_bulb(which_bulb: Observation[Bracketed[Serial]]) -> None:
    """The same bulb is there at the start and at the end."""
    first, last = which_bulb.value.first.identity, which_bulb.value.last.identity
    verify(
        Finding(
            holds=first == last, reason="another-bulb", expected="one bulb", observed=f"{first}, then {last}"
        )
    )
