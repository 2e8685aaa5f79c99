"""Runs of the toy project, started together; the toy itself is run in a copy and never collected here."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.engine.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

collect_ignore = ["lamp-project"]

_Key = tuple[str, str]


@pytest.fixture(scope="session")
def _started(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[_Key, Future[Any]]]:
    modules = {
        i.module.__name__: i.module
        for i in request.session.items
        if isinstance(i, pytest.Function) and hasattr(i.module, "RUNS")
    }

    def play(act: Callable[[Project], Any]) -> Future[Any]:
        folder = tmp_path_factory.mktemp(
            "project"
        )  # made here, one after another: pytest's counting knows no threads
        return pool.submit(lambda: act(Project.make(folder)))

    with ThreadPoolExecutor(3) as pool:
        yield {
            (module, name): play(act) for module, found in modules.items() for name, act in found.RUNS.items()
        }


@pytest.fixture(scope="module")
def left_by(request: pytest.FixtureRequest, _started: dict[_Key, Future[Any]]) -> Callable[[str], Any]:
    """What one of the module's `RUNS` left, by its name. Those of all selected modules go on together, three
    at a time.
    """
    module = request.module.__name__
    return lambda name: _started[module, name].result()
