"""Trial restore of the newest backup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.restore import criteria as restoring
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.restore.models import Restored


@pytest.mark.check(
    id="B-REC-5b",
    severity="P1",
    profiles="maintenance",
    subsystem="database",
    runbook='"Monthly Recovery Tests"',
    next_step="restore the dump before it in the same way; take a new dump now and check it (B-BAK-1); until one restores there is no backup",
)
def test_the_newest_backup_can_be_restored(
    restored_newest_backup: Observation[Restored], limits: BzzzLimits
) -> None:
    """The newest dump restores completely into an empty server, in less time than a P0 may last, and holds what it should."""
    restored = restored_newest_backup.value
    findings = [restoring.newest_backup_restores(restored)]
    if not restored.refused:
        findings += [
            restoring.restored_in_time(restored, limits),
            *restoring.holds_what_it_should(restored),
        ]
    verify(*findings)
