"""A drill that names no check proves nothing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from opsverify.model.check import CheckDeclarationError
from opsverify.run.drill import Drill


async def test_a_drill_that_names_no_check_is_refused() -> None:
    """A steady state of no checks would hold whatever happens."""
    drill = Drill.__new__(Drill)
    drill.check = SimpleNamespace(id="L-REC-1")  # type: ignore[assignment]
    with pytest.raises(CheckDeclarationError, match="L-REC-1: the drill names no check"):
        await drill.judge()
