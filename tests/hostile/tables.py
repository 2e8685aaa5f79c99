"""Rows of the tables of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

__all__ = ["case"]


def case(*values: object, id: str) -> ParameterSet:  # noqa: A002 - pytest's own word
    """One row of a table."""
    return pytest.param(*values, id=id)
