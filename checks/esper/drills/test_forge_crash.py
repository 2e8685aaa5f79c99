"""Drill of runbook 5, "Tezzeret Forge Crash Recovery": a killed forge resumes where it was; a corrupt artifact is replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from fixtures.esper.faults.drills.forge import ForgeKilledAtRandom
from fixtures.esper.faults.forge.library import ArtifactBitFlipped
from opsverify import seconds
from opsverify.model.ladder import fail, first_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from opsverify import Observation
    from opsverify.run.drill import Drill
    from systems.esper.forge.client import FilesClient
    from systems.esper.forge.models import Forge, Library

STEADY = (
    "E-URZ-1",
    "E-URZ-2",
    "E-URZ-3",
    "E-REC-2b",
    "E-NIS-1",
)


@pytest.mark.check(
    id="E-REC-2",
    severity="P1",
    profiles="drill",
    subsystem="urza",
    runbook='5 "Tezzeret Forge Crash Recovery"',
    next_step="rehearse by hand on a twin: deleting the artifact alone, as the runbook says, changes nothing while its row exists",
)
async def test_a_forge_crash_is_detected_and_recovered_from_its_log(drill: Drill) -> None:
    """A killed forge resumes with exactly the pending blueprints, and a corrupt artifact is detected and replaced."""
    await drill.steady(*STEADY, within=seconds(30))
    operator = drill.site.operator()

    files: FilesClient = drill.site.client.files
    catalogue = await files.artifacts()

    killed = ForgeKilledAtRandom(drill.twin, drill.site.arming)
    await drill.inject(killed)
    await drill.detected("E-URZ-1", within=seconds(30))
    async with drill.step("recover", "read the pending ids from the WAL", bound=seconds(15)) as notes:
        observed, before = await drill.observe("forge", "library"), await files.artifacts()
        pending, investigation = _pending(observed["forge"].value, observed["library"], catalogue)
        notes += [killed.point, f"{len(pending.expected)} to be compiled", *investigation]
    async with drill.step("recover", "run the forge again", bound=seconds(30)) as notes:
        notes.append(await operator.run_forge())
    await drill.recovered(*STEADY, within=seconds(30))
    wrong, text = _compared(pending, before, await files.artifacts())
    judged = first_of(fail("not-exactly-resumed", wrong), ok="resumed")
    drill.findings.append(judged.finding(expected=_exactly(pending), observed=text))

    spoilt = ArtifactBitFlipped(drill.twin, drill.site.arming)
    await drill.inject(spoilt)
    await drill.detected("E-URZ-3", within=seconds(30))
    before = await files.artifacts()
    async with drill.step("recover", "delete the row and the artifact", bound=seconds(15)) as notes:
        notes.append(await operator.drop_library_row(spoilt.blueprint))
        notes.append(await operator.remove_artifact(spoilt.blueprint))
    async with drill.step("recover", "run the forge again", bound=seconds(30)) as notes:
        notes.append(await operator.run_forge())
    await drill.recovered(*STEADY, within=seconds(30))
    replaced = _Pending(frozenset({spoilt.blueprint}))
    wrong, text = _compared(replaced, before, await files.artifacts())
    judged = first_of(fail("not-exactly-replaced", wrong), ok="replaced")
    drill.findings.append(judged.finding(expected=_exactly(replaced), observed=text))


@dataclass(frozen=True, slots=True)
class _Pending:
    """Blueprints that a re-run must write, and those that it may write: a save that was interrupted can go either way."""

    expected: frozenset[str]
    optional: frozenset[str] = frozenset()


def _pending(
    forge: Forge, library: Observation[Library], catalogue: Collection[str]
) -> tuple[_Pending, tuple[str, ...]]:
    """The ids in the WAL without a row yet; with a torn WAL the forge compiles every blueprint without a row."""
    named = forge.forge.pending or tuple(catalogue)
    saving = frozenset({forge.library.blueprint} - {""})  # replayed at the library's next start
    if library.unobservable is not None:  # killed inside a transaction: the re-run itself rolls it back
        return _Pending(frozenset(named), saving | frozenset(named[:1])), forge.investigation
    rows = {blueprint.id for blueprint in library.value.blueprints}
    return _Pending(frozenset(named) - rows, saving), forge.investigation


def _exactly(pending: _Pending) -> str:
    return f"exactly {len(pending.expected)} blueprints are compiled: {', '.join(sorted(pending.expected))}"


def _compared(
    pending: _Pending, before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[list[str], str]:
    """Blueprints that were wrongly compiled or not compiled, and the finding's text. A changed stamp means written again."""
    written = {blueprint for blueprint, stamp in after.items() if before.get(blueprint) != stamp}
    wrong = sorted((written ^ pending.expected) - pending.optional) + sorted(before.keys() - after.keys())
    if wrong:
        return wrong, f"wrongly compiled or not compiled: {', '.join(wrong)}"
    return wrong, f"these were compiled, the other {len(after) - len(written)} artifacts are untouched"
