"""Runs of the toy project, started together; the toy itself is run in a copy and never collected here."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.engine.project import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

collect_ignore = ["lamp-project"]


@pytest.fixture(scope="module")
def left_by(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Any]]:
    """What one of the module's `RUNS` left, by its name. They go on together, three at a time."""
    acts: dict[str, Callable[[Project], Any]] = request.module.RUNS
    # Made here, one after another: pytest's counting knows no threads.
    folders = {name: tmp_path_factory.mktemp("project") for name in acts}
    with ThreadPoolExecutor(3) as pool:

        def play(name: str) -> Any:
            return acts[name](Project.make(folders[name]))

        started = {name: pool.submit(play, name) for name in acts}
        yield lambda name: started[name].result()
