"""`--expect SYSTEM.SURFACE=WORD`: after a deploy, is what answers what was deployed? A check made from the option."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.check import Check
from opsverify.model.judge import verify
from opsverify.model.verdict import Finding, Severity
from opsverify.target.incident import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opsverify.model.observation import Bracketed, Observation, ObservationSpec
    from opsverify.run.run import Run

__all__ = ["expected_items"]


def expected_items(run: Run, options: Iterable[str], items: Iterable[pytest.Item]) -> list[pytest.Function]:
    """A test for each option, beside the collected `items`; its check, of severity P0, is added to the run's.

    It is judged from the identity observation of that surface: one that cannot be observed is UNKNOWN, another word than
    the expected one is FAIL.

    Raises:
        pytest.UsageError: an option of another form, or a surface whose identity is not observed.
    """
    expectations = list(dict.fromkeys(options))
    if not expectations:
        return []
    checks = run.checks
    known = {
        f"{system.name}.{spec.called}": spec
        for system in map(run.systems.__getitem__, run.target.sections())
        for spec in system.observations
        if spec.identity
    }
    modules = {checks[i.nodeid].system: i.getparent(pytest.Module) for i in items if i.nodeid in checks}
    functions = []
    for number, option in enumerate(expectations, 1):
        name, _, word = option.partition("=")
        spec = known.get(name)
        if spec is None or not word:
            msg = f"--expect {option}: must be SYSTEM.SURFACE=WORD{nearest(name, known)}; identities are observed of {', '.join(sorted(known)) or 'nothing'}"
            raise pytest.UsageError(msg)
        function = _expects(spec, word)
        module = modules.get(spec.system)
        if module is None:
            msg = f"--expect {option}: no check of {spec.system} was collected, so its servers would not be observed"
            raise pytest.UsageError(msg)
        item = pytest.Function.from_parent(module, name=f"{function.__name__}[{option}]", callobj=function)
        checks[item.nodeid] = _check(spec, option, number, item.nodeid, function)
        functions.append(item)
    return functions


def _expects(spec: ObservationSpec, word: str) -> Callable[..., None]:
    def test_what_answers_is_what_was_deployed(**observed: Observation[Bracketed[Any]]) -> None:
        identity = str(observed[spec.name].value.last.identity)
        verify(
            Finding(
                holds=word == identity or word in identity.split(),
                reason="another-version",
                expected=f"{word} answers at {spec.system}.{spec.called}",
                observed=identity,
            )
        )

    parameter = inspect.Parameter(spec.name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    test_what_answers_is_what_was_deployed.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]
    return test_what_answers_is_what_was_deployed


def _check(
    spec: ObservationSpec, option: str, number: int, nodeid: str, function: Callable[..., Any]
) -> Check:
    surface = spec.called
    return Check(
        id=f"expect:{option}",
        option=f"--expect {option}",
        row=f"expect-{number}",
        severity=Severity.P0,
        profiles=frozenset(("smoke", "canary", "incident")),
        system=spec.system,
        subsystem="deployed",
        name=f"{surface} is what was deployed",
        promise=f"What answers at {surface} is what --expect names.",
        nodeid=nodeid,
        function=function,
        next_step="is the deploy complete, did it roll back, or does another instance answer at this address?",
    )
