"""One look at one site: observe it, and judge checks on what was observed. Drills, actions and tests look in the same way."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from opsverify.model.judge import judge
from opsverify.model.system import Site
from opsverify.run.gather import Gatherer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path

    from opsverify.model.arming import Arming
    from opsverify.model.check import Check
    from opsverify.model.limits import Limits
    from opsverify.model.observation import Observation, ObservationSpec
    from opsverify.model.system import System
    from opsverify.model.verdict import Outcome
    from opsverify.target.file import Section

__all__ = ["connected", "judged", "look", "observe"]


@asynccontextmanager
async def connected(
    system: System, section: Section, *, arming: Arming, folder: Path | None = None
) -> AsyncIterator[Site]:
    """A site with its client, open while the block runs."""
    site = Site(system=system, section=section, arming=arming, folder=folder)
    async with system.connect(section) as site.client:
        yield site


async def observe(
    site: Site,
    specs: Iterable[ObservationSpec],
    *,
    on_done: Callable[[ObservationSpec, Observation[Any]], None] = lambda _spec, _observation: None,
    earlier: Callable[[ObservationSpec], Any] = lambda _spec: None,
) -> dict[str, Observation[Any]]:
    """Fresh observations of a connected site, by name; `earlier` gives what an earlier run saved for a baseline."""
    return await Gatherer({site.system.name: site}, on_done, earlier).gather(list(specs))


def judged(
    checks: Iterable[Check], observations: Mapping[str, Observation[Any]], limits: Limits
) -> dict[str, Outcome]:
    """The outcome of each check on these observations, by check id."""
    arguments: dict[str, Any] = {**observations, "limits": limits}
    return {check.id: judge(check, {name: arguments[name] for name in check.asks}) for check in checks}


async def look(site: Site, checks: Iterable[Check], *, limits: Limits | None = None) -> dict[str, Outcome]:
    """Observe what these checks ask for, and judge them; by the section's limits where none are given."""
    listed = list(checks)
    names = {name for check in listed for name in check.asks}
    observations = await observe(site, (spec for spec in site.system.observations if spec.name in names))
    return judged(listed, observations, limits or site.section.limits)
