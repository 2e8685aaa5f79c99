"""Base of all Esper-Lite actions: target section, read-only client, a writing connection, and the twin if there is one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from opsverify.model.operator import ByHand, Operator, Refused
from systems.esper.bus.client import connect_redis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from opsverify.model.arming import Arming
    from opsverify.model.system import Twin
    from systems.esper.client import EsperClient
    from systems.esper.section import EsperSection

__all__ = ["EsperActions", "TrimRefused"]


class TrimRefused(Refused):
    """A stream was not trimmed because a group would lose entries. The message names the group and the remedy."""


class EsperActions(Operator):
    """An Esper-Lite instance that can be acted on. `twin` is None on a live target."""

    def __init__(
        self, section: EsperSection, client: EsperClient, arming: Arming, twin: Twin | None = None
    ) -> None:
        super().__init__(arming)
        self._section, self._client, self._twin = section, client, twin

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Any]:
        if self._section.redis is None:
            msg = "the target configures no redis; add [esper.redis] url"
            raise ByHand(msg)
        async with connect_redis(self._section.redis) as connection:
            yield connection
