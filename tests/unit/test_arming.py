"""Nothing acts on a live target that its file does not arm, right now, and the caller confirms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.model import arming as module
from opsverify.model.arming import Arming, NotArmed
from opsverify.model.fault import Fault
from opsverify.model.operator import Operator, action

SOON = datetime.now(UTC) + timedelta(hours=1)
ARMED = Arming(
    target="porch",
    owned=False,
    actions=frozenset({"press"}),
    faults=frozenset({"dark"}),
    expires=SOON,
    confirmed=True,
)


class Hand(Operator):
    """One action."""

    presses = 0

    @action
    async def press(self, *, hard: bool = False) -> str:
        """Press the switch.

        More about it.
        """
        self.presses += 1
        if hard:
            msg = "it broke"
            raise RuntimeError(msg)
        return "clicked"

    async def look(self) -> str:
        """No action."""
        return "on"


class Dark(Fault):
    """A fault that does nothing."""

    name = "dark"
    expected_failures: ClassVar = {}

    def state(self) -> str:
        """Nothing."""
        return ""

    def inject(self) -> None:
        """Nothing."""

    def restore(self) -> None:
        """Nothing."""


@pytest.mark.parametrize(
    ("arming", "told"),
    [
        (
            Arming(target="porch", owned=False),
            r'add to \[arm\] in the target file: actions = \["press"\] and expires',
        ),
        (
            Arming(target="porch", owned=False, faults=frozenset({"press"}), expires=SOON, confirmed=True),
            r"add to \[arm\]",
        ),
        (
            Arming(target="porch", owned=False, actions=frozenset({"press"}), confirmed=True),
            "expired at None",
        ),
        (
            Arming(
                target="porch",
                owned=False,
                actions=frozenset({"press"}),
                expires=datetime(2020, 1, 1, tzinfo=UTC),
                confirmed=True,
            ),
            "expired at 2020",
        ),
        (Arming(target="porch", owned=False, actions=frozenset({"press"}), expires=SOON), "--arm porch"),
    ],
)
async def test_a_refusal_names_the_line_to_add(arming: Arming, told: str) -> None:
    """An action that is not armed is refused with what would arm it, and nothing is done."""
    hand = Hand(arming)
    with pytest.raises(NotArmed, match=told):
        await hand.press()
    assert hand.presses == 0
    assert hand.taken == []


@given(
    owned=st.booleans(),
    named=st.booleans(),
    confirmed=st.booleans(),
    ahead=st.sampled_from([None, -3600, 3600]),
)
def test_only_all_three_conditions_arm(
    *, owned: bool, named: bool, confirmed: bool, ahead: int | None
) -> None:
    """An action is armed on servers of our own, or if it is named, its time runs, and the caller confirms."""
    expires = None if ahead is None else datetime.now(UTC) + timedelta(seconds=ahead)
    arming = Arming(
        target="porch",
        owned=owned,
        actions=frozenset({"press"} if named else ()),
        expires=expires,
        confirmed=confirmed,
    )
    assert (arming.why_not("actions", "press") is None) == (owned or (named and confirmed and ahead == 3600))


async def test_expiry_is_looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was armed a moment ago is refused once its time is over."""

    class Clock(datetime):
        """A clock that we set."""

        instant = SOON - timedelta(seconds=1)

        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # noqa: ARG003
            """The time we set."""
            return cls.instant

    monkeypatch.setattr(module, "datetime", Clock)
    hand = Hand(ARMED)
    await hand.press()
    Clock.instant = SOON
    with pytest.raises(NotArmed, match="expired"):
        await hand.press()
    with pytest.raises(NotArmed, match="expired"):
        Dark(ARMED)
    assert hand.presses == 1


async def test_actions_are_recorded_with_their_end() -> None:
    """An action is kept with its arguments and what came of it, failures too."""
    hand = Hand(ARMED)
    await hand.press()
    with pytest.raises(RuntimeError):
        await hand.press(hard=True)
    assert [(r.name, r.arguments, r.result) for r in hand.taken] == [
        ("press", "", "clicked"),
        ("press", "hard=True", "RuntimeError: it broke"),
    ]


def test_an_operator_lists_its_actions() -> None:
    """The actions are listed by name with the first line of what they do."""
    assert Hand.actions() == {"press": "Press the switch."}


def test_a_fault_cannot_be_made_for_a_target_that_does_not_arm_it() -> None:
    """A fault is refused when it is constructed, before it can do anything."""
    Dark(ARMED)
    Dark(Arming(target="embedded", owned=True))
    with pytest.raises(NotArmed, match=r'faults = \["dark"\]'):
        Dark(Arming(target="porch", owned=False, actions=frozenset({"dark"}), expires=SOON, confirmed=True))
