"""A twin of BZZZ for each file of faults, and the suite pointed at it as at a live target."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fixtures.bzzz.operator import BzzzOperator
from fixtures.bzzz.target import BzzzSection
from fixtures.bzzz.twin.site import BzzzTwin, start_twin
from fixtures.servers.alertmanager import find_alertmanager
from fixtures.servers.prometheus import find_prometheus
from opsverify.target import ServersTable
from tests.detection.bzzz.turning import LIMITS, lacking
from tests.detection.harness import Suite, as_live

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def twin() -> Iterator[BzzzTwin]:
    """One twin for all faults of a file: each must be undone so well that the next one begins in health."""
    lacking = [
        f"apt-get install {package}"
        for package, found in (
            ("prometheus", find_prometheus()),
            ("prometheus-alertmanager", find_alertmanager()),
        )
        if found is None
    ]
    if lacking:
        pytest.skip(
            f"what a fault of BZZZ turns is seen by Prometheus and Alertmanager: {'; '.join(lacking)}"
        )
    section = BzzzSection.model_validate({"limits": LIMITS})
    running = start_twin(section, ServersTable(provider="embedded"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def suite(twin: BzzzTwin, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The suite pointed at that twin, which it sees as a live target."""
    section, environment = as_live("bzzz", twin.section)
    made = Suite(
        folder=tmp_path_factory.mktemp("matrix"),
        section=section,
        actions=tuple(BzzzOperator.actions()),
        environment=environment,
        path="checks/bzzz",
        lacking=lacking(twin.section.lacking),
    )
    healthy = made.run()  # what B-LAT-1 compares with
    assert healthy.status == 0, healthy.printed
    return replace(made, options=("--baseline", "last-green"))
