"""Arming: every action and fault asks here first, each time, whether it may act on the target."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

__all__ = ["Arming", "NotArmed"]


class NotArmed(Exception):
    """An action or fault was refused. The message says which line to add to the target file."""


@dataclass(frozen=True, slots=True)
class Arming:
    """The permissions of one run on one target. On servers that the run itself started everything is armed."""

    target: str
    owned: bool
    actions: frozenset[str] = frozenset()
    faults: frozenset[str] = frozenset()
    expires: datetime | None = None
    confirmed: bool = False

    def why_not(self, power: Literal["actions", "faults"], name: str) -> str | None:
        """Why `name` is refused right now, or None if it is armed. The expiry is looked at again at every call."""
        if self.owned:
            return None
        if name not in getattr(self, power):
            return f'add to [arm] in the target file: {power} = ["{name}"] and expires = <UTC instant, at most 24 h ahead>'
        if self.expires is None or datetime.now(UTC) >= self.expires:
            return f"[arm] expired at {self.expires}; set a new expires in the target file"
        if not self.confirmed:
            return f"confirm it on the command line: --arm {self.target}"
        return None

    def require(self, power: Literal["actions", "faults"], name: str) -> None:
        """Refuse unless `name` is armed. Raises NotArmed."""
        why = self.why_not(power, name)
        if why is not None:
            msg = f"{name} is not armed on live target {self.target!r}: {why}"
            raise NotArmed(msg)
