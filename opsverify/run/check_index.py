"""The checks of one system by their ids, collected by this run or not: a drill judges them."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from opsverify.model.check import Check, CheckDeclarationError, check_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CheckIndex"]


class CheckIndex:
    """The checks in the test modules below a folder. The modules are imported when the first id is asked for."""

    def __init__(self, session: pytest.Session, folder: Path) -> None:
        self._session, self._folder = session, folder

    def __getitem__(self, check_id: str) -> Check:
        """The check of this id.

        Raises:
            CheckDeclarationError: no module below the folder declares it.
        """
        if check_id not in self._by_id:
            near = get_close_matches(check_id, self._by_id, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            msg = f"no check {check_id} in {self._folder}{hint}"
            raise CheckDeclarationError(msg)
        return self._by_id[check_id]

    @cached_property
    def _by_id(self) -> dict[str, Check]:
        checks = dict[str, Check]()
        for path in sorted(self._folder.rglob("test_*.py")):
            module = pytest.Module.from_parent(self._session, path=path).obj
            for value in vars(module).values():
                if any(mark.name == "check" for mark in getattr(value, "pytestmark", ())):
                    check = check_of(value)
                    checks[check.id] = check
        return checks
