"""The operator's actions on the training side: on a live target each says what a person does, and what verifies it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.arming import Arming
from opsverify.model.operator import ByHand
from systems.esper.operator import EsperOperator
from systems.esper.section import EsperSection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def live() -> EsperOperator:
    """An operator of a live target that has armed everything."""
    unused: Any = None
    return EsperOperator(EsperSection(), unused, Arming(target="live", owned=True))


@pytest.mark.parametrize(
    ("act", "verified_by"),
    [
        (lambda operator: operator.set_conservative_mode(on=False), "E-TAM-2"),
        (lambda operator: operator.cull_seed("seed-7"), "E-KAS-1"),
        (lambda operator: operator.retrain(), "E-SIM-2"),
    ],
)
async def test_a_person_is_told_what_to_do(
    act: Callable[[EsperOperator], Awaitable[str]], verified_by: str
) -> None:
    """Where the program has no way in, the action refuses, says what a person does, and names the check that verifies it."""
    with pytest.raises(ByHand) as told:
        await act(live())
    assert verified_by in told.value.verified_by


async def test_a_cull_names_the_order() -> None:
    """The order to cull is spelled out: its type, its operation, its seed."""
    with pytest.raises(ByHand, match=r"COMMAND_SEED.*'seed-7'.*SEED_OP_CULL \(8\)"):
        await live().cull_seed("seed-7")
