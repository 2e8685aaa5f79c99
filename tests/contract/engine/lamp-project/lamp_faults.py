"""What can break in a lamp."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

from opsverify.model.fault import Fault
from opsverify.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamp_twin import LampTwin

    from opsverify.model.arming import Arming

__all__ = ["Dark", "Stuck"]


class Dark(Fault):
    """The bulb gives no light."""

    name = "dark"
    expected_failures: ClassVar[Mapping[str, tuple[Verdict, str]]] = {"L-BLB-1": (Verdict.FAIL, "too-dark")}
    by_hand = "screw in another bulb"

    def __init__(self, arming: Arming, twin: LampTwin) -> None:
        super().__init__(arming)
        self._twin = twin

    def state(self) -> str:
        """The bulb's value."""
        return str(json.loads(self._twin.bulb.read_bytes())["value"])

    def inject(self) -> None:
        """Take its light away."""
        self._twin.bulb.write_text('{"value": 0}', encoding="utf-8")

    def restore(self) -> None:
        """Give its light back."""
        self._twin.bulb.write_text('{"value": 100}', encoding="utf-8")


class Stuck(Dark):
    """The bulb gives no light, and no restoring helps."""

    name = "stuck"

    def restore(self) -> None:
        """Nothing happens."""
