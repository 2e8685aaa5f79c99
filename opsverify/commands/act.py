"""One of the operator's actions from the command line (`--act`): shown by a dry run, refused unless armed, recorded."""

from __future__ import annotations

import asyncio
import inspect
import re
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_type_hints

import pytest
from pydantic import TypeAdapter, ValidationError

from opsverify.commands.plan import CommandResult
from opsverify.model.deadline import DeadlinePassed, eventually, seconds
from opsverify.model.exit_codes import Exit
from opsverify.model.operator import ByHand, Refused
from opsverify.model.system import Site
from opsverify.model.verdict import Verdict
from opsverify.run.look import look as look_at
from opsverify.run.options import duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from opsverify.model.operator import Operator
    from opsverify.model.verdict import Outcome
    from opsverify.run.run import Run

__all__ = ["Order", "act", "read_options", "read_order"]

_LONGEST = seconds(120)
_EVERY = seconds(2)


@dataclass(frozen=True, slots=True)
class Order:
    """What `--act` asks for: `SYSTEM.ACTION[:key=value,…]`, and how long `--verify-within` waits for a person."""

    system: str
    action: str
    arguments: dict[str, str]
    dry: bool
    verify_within: timedelta | None


def read_options(config: pytest.Config) -> Order:
    """The order in the options. Raises pytest.UsageError, also for --dry-run and --verify-within without --act."""
    text, dry, within = (config.getoption(name) for name in ("act", "dry_run", "verify_within"))
    if text is not None:
        return read_order(text, dry=dry, verify_within=within)
    msg = "--dry-run and --verify-within need --act SYSTEM.ACTION; --plan shows what a run would do"
    raise pytest.UsageError(msg)


def read_order(text: str, *, dry: bool, verify_within: str | None) -> Order:
    """Parse the option. Raises pytest.UsageError."""
    action_text, _, argument_text = text.partition(":")
    system, _, action = action_text.partition(".")
    # A comma ends a value only where another key follows.
    pairs = [p.partition("=") for p in re.split(r",(?=\w+=)", argument_text) if p]
    if not action or any(not equals for _, equals, _ in pairs):
        msg = f"--act {text}: must be SYSTEM.ACTION or SYSTEM.ACTION:key=value,key=value"
        raise pytest.UsageError(msg)
    try:
        within = None if verify_within is None else duration(verify_within)
    except ValueError as error:
        msg = f"--verify-within: {error}"
        raise pytest.UsageError(msg) from None
    return Order(system, action, {key: value for key, _, value in pairs}, dry, within)


def act(run: Run, order: Order, take: Callable[[], object]) -> CommandResult | None:
    """Take the action, or show it in a dry run; None where another run holds the target. `take` takes the target's lock.

    Raises:
        pytest.UsageError: no such action or argument, not armed, or a target whose servers end with the run.
    """
    section = run.target.sections().get(order.system)
    if section is None:
        msg = f"--act: target {run.target.name!r} has no system {order.system!r}; it has {', '.join(run.target.sections())}"
        raise pytest.UsageError(msg)
    if run.target.owned:
        msg = f"--act: target {run.target.name!r} starts a twin that ends with this run, so acting on it changes nothing; name a live one with --target"
        raise pytest.UsageError(msg)
    site = Site(system=run.systems[order.system], section=section, arming=run.arming, folder=run.folder)
    operator = site.operator()
    arguments = _arguments(operator, order)
    shown = ", ".join(f"{key}={value}" for key, value in arguments.items())
    will = f"{order.system}.{order.action}({shown}) on {run.target.name}: {operator.actions()[order.action]}"
    why_not = run.arming.why_not("actions", order.action)
    if order.dry:
        armed = "armed" if why_not is None else f"not armed: {why_not}"
        return CommandResult((f"would do {will}", armed, "dry run: nothing was done"), worked=True)
    if why_not is not None:
        msg = f"--act: {order.action} is not armed on live target {run.target.name!r}: {why_not}"
        raise pytest.UsageError(msg)
    take()
    return None if run.busy else asyncio.run(_act(run, site, order, arguments, will))


def _arguments(operator: Operator, order: Order) -> dict[str, Any]:
    """The action's arguments, read by its annotations. Raises pytest.UsageError."""
    known = operator.actions()
    if order.action not in known:
        near = get_close_matches(order.action, known, n=1, cutoff=0.4)
        meant = f"; did you mean {near[0]}?" if near else "."
        listed = "\n".join(f"  {order.system}.{name}: {what}" for name, what in known.items())
        msg = f"--act: {order.system} has no action {order.action!r}{meant} It has:\n{listed}"
        raise pytest.UsageError(msg)
    method = inspect.unwrap(getattr(type(operator), order.action))
    hints = get_type_hints(method)
    parameters = {n: p for n, p in inspect.signature(method).parameters.items() if n != "self"}
    takes = ", ".join(f"{name}: {_type(hints[name])}" for name in parameters) or "no arguments"
    missing = [n for n, p in parameters.items() if p.default is p.empty and n not in order.arguments]
    unknown = [n for n in order.arguments if n not in parameters]
    if missing or unknown:
        errors = [f"needs {', '.join(missing)}"] if missing else []
        errors += [f"has no argument {', '.join(unknown)}"] if unknown else []
        msg = f"--act: {order.action} {' and '.join(errors)}; it takes {takes}"
        raise pytest.UsageError(msg)
    values = {}
    for name, text in order.arguments.items():
        try:
            values[name] = TypeAdapter(hints[name]).validate_strings(text)
        except ValidationError as error:
            msg = f"--act: {order.action}: {name}={text}: {error.errors()[0]['msg']}; it takes {takes}"
            raise pytest.UsageError(msg) from None
    return values


def _type(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


async def _act(run: Run, site: Site, order: Order, arguments: dict[str, Any], will: str) -> CommandResult:
    async with site.system.connect(site.section) as site.client:
        operator: Operator = site.operator()
        lines = [will]
        try:
            async with asyncio.timeout(_LONGEST.total_seconds()):
                result = await getattr(operator, order.action)(**arguments)
        except ByHand as by_hand:
            lines.append(f"the target gives no access for this action; do it by hand: {by_hand}")
            return await _by_hand(run, site, order, by_hand, lines)
        except Refused as refused:
            return CommandResult((*lines, f"refused, and nothing was changed: {refused}"), worked=False)
        except BaseException as error:
            # What it has changed by then is not known.
            run.left_changed = True
            run.problem(
                f"{order.action} did not finish: {type(error).__name__}: {error}; check what it has changed"
            )
            if not isinstance(error, Exception):
                raise
            return CommandResult((*lines, *run.problems), worked=False, otherwise=Exit.LEFT_CHANGED)
        finally:
            for taken in operator.taken:
                run.journal.write(
                    "action", system=order.system, **asdict(taken) | {"at": taken.at.isoformat()}
                )
    return CommandResult((*lines, f"done: {result}"), worked=True)


async def _by_hand(run: Run, site: Site, order: Order, by_hand: ByHand, lines: list[str]) -> CommandResult:
    """Run the checks that verify a manual action again and again, until they pass or the time is over."""
    known = {check.id: check for check in run.checks.values() if check.system == site.system.name}
    checks = [known[i] for i in by_hand.verified_by if i in known]
    if order.verify_within is None or not checks:
        ids = ", ".join(by_hand.verified_by)
        hint = (f"then verify it with {ids} (--verify-within 10m waits until they pass)",) if ids else ()
        return CommandResult((*lines, *hint), worked=False)
    last: dict[str, Outcome] = {}

    async def look() -> dict[str, Outcome]:
        last.update(await look_at(site, checks))
        return last

    within = order.verify_within
    try:
        await eventually(
            look, _all_pass, expected="every check PASS", within=within, every=_EVERY, shown=lambda _: ""
        )
    except DeadlinePassed:
        verdict, status = f"not verified within {within.total_seconds():g} s", Exit.GATED_UNKNOWN
        if any(o.verdict is Verdict.FAIL for o in last.values()):
            status = Exit.GATED_FAIL
    else:
        verdict, status = "verified", Exit.HOLDS
    rows = [f"  {o.verdict:<7} {i:<9} {o.reason} {o.explanation}".rstrip() for i, o in last.items()]
    run.journal.write("by-hand", action=order.action, what=str(by_hand), verdict=verdict, checks=rows)
    return CommandResult((*lines, verdict, *rows), worked=status is Exit.HOLDS, otherwise=status)


def _all_pass(outcomes: dict[str, Outcome]) -> bool:
    return all(o.verdict is Verdict.PASS for o in outcomes.values())
