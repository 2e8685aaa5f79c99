"""The lamp's actions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from opsverify.model.operator import ByHand, Operator, Refused, action

if TYPE_CHECKING:
    from lamp_target import LampSection

    from opsverify.model.arming import Arming

__all__ = ["LampOperator"]


class LampOperator(Operator):
    """Acts on a lamp."""

    def __init__(self, section: LampSection, arming: Arming) -> None:
        super().__init__(arming)
        self._section = section

    @action
    async def press(self) -> str:
        """Press the switch: leaves a note beside its file."""
        note = Path(str(self._section.switch)).with_suffix(".pressed")
        note.write_text("pressed\n", encoding="utf-8")
        return "clicked"

    @action
    async def screw_in(self) -> str:
        """Put a good bulb in."""
        bulb = Path(str(self._section.bulb))
        bulb.write_text('{"value": 100}', encoding="utf-8")  # noqa: ASYNC240 - a small file
        return "a new bulb is in"

    @action
    async def dim(self, level: int, why: str = "") -> str:
        """Set the bulb to a level."""
        if level == 0:
            msg = "0 is off: press the switch"
            raise Refused(msg)
        if level < 0:
            msg = "it burst"
            raise OSError(msg)
        bulb = Path(str(self._section.bulb))
        bulb.write_text(f'{{"value": {level}}}', encoding="utf-8")  # noqa: ASYNC240 - a small file
        return f"at {level}{why and ', '}{why}"

    @action
    async def warm_up(self, seconds: float) -> str:
        """Have the bulb come up slowly: it is at 1, and after so many seconds at 100."""
        bulb = Path(str(self._section.bulb))
        bulb.write_text('{"value": 1}', encoding="utf-8")  # noqa: ASYNC240 - a small file
        await asyncio.sleep(seconds)
        bulb.write_text('{"value": 100}', encoding="utf-8")  # noqa: ASYNC240 - a small file
        return "warm"

    @action
    async def turn_on(self) -> str:
        """Turn the lever."""
        msg = "go to the porch and turn the lever"
        raise ByHand(msg, verified_by=("L-SWI-1",))
