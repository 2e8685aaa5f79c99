"""The runbook's actions: named, armed one by one, and recorded."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from opsverify.model.arming import Arming

__all__ = ["ActionRecord", "ByHand", "Operator", "Refused", "action"]

P = ParamSpec("P")
R = TypeVar("R")
O_ = TypeVar("O_", bound="Operator")


class ByHand(Exception):
    """The target gives no access for this action: a person acts. The message says what to do.

    `verified_by` are the ids of the checks that verify it.
    """

    def __init__(self, what: str, *, verified_by: tuple[str, ...] = ()) -> None:
        super().__init__(what)
        self.verified_by = verified_by


class Refused(Exception):
    """An action changed nothing, because it would have done harm. The message says why, and the remedy."""


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """An action that was taken: when (UTC), for how many seconds, and with which result."""

    name: str
    arguments: str
    at: datetime
    took: float
    result: str


class Operator:
    """Acts on a target. Each action refuses unless the target arms it by name, and is kept in `taken`."""

    def __init__(self, arming: Arming) -> None:
        self.arming = arming
        self.taken: list[ActionRecord] = []

    @classmethod
    def actions(cls) -> dict[str, str]:
        """Every action with its first line: what it will do."""
        members = {name: getattr(cls, name) for name in dir(cls)}
        return {
            name: (f.__doc__ or "").splitlines()[0]
            for name, f in members.items()
            if getattr(f, "is_action", False)
        }


def action(
    method: Callable[Concatenate[O_, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[O_, P], Coroutine[Any, Any, R]]:
    """Mark a method as an action: armed under its own name, the expiry looked at again at each call, and recorded."""
    name = getattr(method, "__name__", "action")

    @functools.wraps(method)
    async def act(self: O_, *args: P.args, **kwargs: P.kwargs) -> R:
        self.arming.require("actions", name)
        at, start, result = datetime.now(UTC), time.monotonic(), "was cut short"
        try:
            value = await method(self, *args, **kwargs)
            result = _short(value)
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
            raise
        finally:
            shown = ", ".join([*map(_short, args), *(f"{k}={_short(v)}" for k, v in kwargs.items())])
            self.taken.append(ActionRecord(name, shown, at, time.monotonic() - start, result))
        return value

    act.is_action = True  # type: ignore[attr-defined]
    return cast("Callable[Concatenate[O_, P], Coroutine[Any, Any, R]]", act)


def _short(value: Any) -> str:
    return str(value)[:300]
