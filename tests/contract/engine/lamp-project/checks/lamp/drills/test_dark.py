"""The bulb goes dark and is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lamp_faults import Dark

from opsverify.model.deadline import seconds

if TYPE_CHECKING:
    from opsverify.run.drill import Drill


@pytest.mark.check(id="L-REC-1", severity="P1", profiles="drill", subsystem="bulb")
async def test_a_dark_bulb_is_replaced(drill: Drill) -> None:
    """A dark bulb is seen at once, and a new one brings the light back."""
    await drill.steady("L-BLB-1", within=seconds(5))
    await drill.inject(Dark(drill.site.arming, drill.twin))
    await drill.detected("L-BLB-1", within=seconds(5))
    async with drill.step("recover", "screw in another bulb") as notes:
        notes.append(await drill.site.operator().screw_in())
    await drill.recovered("L-BLB-1", within=seconds(5))
