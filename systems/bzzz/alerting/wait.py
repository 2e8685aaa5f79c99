"""Waiting for an alert in Alertmanager: until it fires after a fault, until it has cleared after a recovery."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from opsverify.model.deadline import eventually, seconds

if TYPE_CHECKING:
    from datetime import timedelta

    from systems.bzzz.client import BzzzClient

__all__ = ["AlertWatch"]

EVERY = seconds(0.2)


class AlertWatch:
    """One alert in the real Alertmanager, timed since construction or the last `begin`."""

    def __init__(self, client: BzzzClient, alert: str) -> None:
        self.client, self.alert = client, alert
        self._begun = time.monotonic()

    def begin(self) -> None:
        """Time from now on."""
        self._begun = time.monotonic()

    async def fires(self, *, within: timedelta) -> str:
        """Wait until it is active; returns how long that took, and the alert. Raises DeadlinePassed."""
        active = await self._until(there=True, within=within)
        return (
            f"{self.alert} fired {time.monotonic() - self._begun:.1f} s after the fault: {'; '.join(active)}"
        )

    async def clears(self, *, within: timedelta) -> str:
        """Wait until it is gone; returns how long that took. Raises DeadlinePassed."""
        await self._until(there=False, within=within)
        return f"{self.alert} cleared {time.monotonic() - self._begun:.1f} s after the recovery"

    async def _until(self, *, there: bool, within: timedelta) -> list[str]:
        async def look() -> list[str]:
            alerts = await self.client.alertmanager.alerts(f'alertname="{self.alert}"')
            return [one.summary for one in alerts if one.state == "active"]

        return await eventually(
            look,
            lambda active: bool(active) is there,
            expected=f"{self.alert} {'active' if there else 'gone'} in Alertmanager",
            within=within,
            every=EVERY,
            shown=lambda active: "; ".join(active) or "not active",
        )
