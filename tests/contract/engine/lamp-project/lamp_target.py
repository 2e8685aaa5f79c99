"""The lamp's part of a target file: two surfaces, each a file that says how it answers."""

from __future__ import annotations

from typing import ClassVar

from opsverify.model.limits import Limit, Limits
from opsverify.target.file import EnvSecret, Section

__all__ = ["LampLimits", "LampSection"]


class LampLimits(Limits):
    """The lamp's thresholds."""

    brightness: Limit = Limit(value=10, unit="lumen", source="runbook 1")
    window: Limit = Limit(value=0.05, unit="s", source="assumed")


class LampSection(Section):
    """A lamp. `bulb` and `switch` are paths of JSON files; `twin` says how its twin misbehaves (start,
    stop).
    """

    surfaces: ClassVar[tuple[str, ...]] = ("bulb", "switch")

    bulb: str | None = None
    switch: str | None = None
    password_env: EnvSecret | None = None
    pin_env: EnvSecret | None = None
    twin: str = ""
    limits: LampLimits = LampLimits()

    def addresses(self) -> dict[str, str]:
        """Address of each configured surface."""
        return {surface: at for surface, at in (("bulb", self.bulb), ("switch", self.switch)) if at}
