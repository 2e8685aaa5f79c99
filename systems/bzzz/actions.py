"""Base class of BZZZ's actions: section, client, and the twin where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsverify.model.operator import ByHand, Operator
from systems.bzzz.services.client import operate_services

if TYPE_CHECKING:
    from opsverify.model.arming import Arming
    from opsverify.model.system import Twin
    from systems.bzzz.client import BzzzClient
    from systems.bzzz.section import BzzzSection
    from systems.bzzz.services.client import ServicesOperator
    from systems.bzzz.services.target import ServicesTarget

__all__ = ["BzzzActions"]


class BzzzActions(Operator):
    """A BZZZ instance that can be acted on. `twin` is None on a live target."""

    def __init__(
        self, section: BzzzSection, client: BzzzClient, arming: Arming, twin: Twin | None = None
    ) -> None:
        super().__init__(arming)
        self._section, self._client, self._twin = section, client, twin

    def _manager(self, by_hand: str, verified_by: tuple[str, ...]) -> tuple[ServicesOperator, ServicesTarget]:
        """The service manager, and what its services are called. Raises ByHand where the target names none."""
        if self._section.services is None:
            raise ByHand(by_hand, verified_by=verified_by)
        return operate_services(self._section.services), self._section.services
