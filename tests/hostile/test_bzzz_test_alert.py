"""What comes of a test alert where Alertmanager, or the one whom it tells, answers badly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from checks.bzzz.alerting import test_alerting
from tests.hostile.bzzz_looking import LIMITS, outcome, section
from tests.hostile.bzzz_watchers import alert, alertmanager
from tests.hostile.servers import ESCAPES, MIB, http, page
from tests.hostile.tables import case

if TYPE_CHECKING:
    import asyncio

    from systems.bzzz.section import BzzzSection
    from tests.hostile.servers import Act, Stage

HEARD, UNHEARD = "PASS test-alert-heard", "FAIL test-alert-unheard"
UNEXPECTED = "UNKNOWN unexpected-reply"


class Posted:
    """Takes what is posted, and counts it as notifications that were tried, or failed."""

    def __init__(self, *, sent: int = 1, failed: int = 0, status: int = 200) -> None:
        self.posts, self._sent, self._failed, self._status = 0, sent, failed, status

    async def takes(self, writer: asyncio.StreamWriter) -> None:
        """Take one."""
        self.posts += 1
        await page({}, status=self._status)(writer)

    async def counts(self, writer: asyncio.StreamWriter) -> None:
        """What it counts."""
        lines = [
            f'alertmanager_notifications_total{{integration="webhook"}} {5 + self._sent * self.posts}',
            f'alertmanager_notifications_failed_total{{integration="webhook"}} {5 + self._failed * self.posts}',
        ]
        await page("\n".join(lines), kind="text/plain")(writer)


def posted(stage: Stage, took: Posted, given: dict[str, Act], receiver: Act | None = None) -> BzzzSection:
    """The section of a target with this Alertmanager, and the receiver's own address, where it has one."""
    acts = {"POST v2/alerts": took.takes, "metrics": took.counts, "v2/alerts": page([]), **given}
    told: dict[str, Any] = {"url": stage.http(alertmanager(acts))}
    if receiver is not None:
        told["receiver"] = stage.http(http(receiver))
    return section(alertmanager=told, limits={**LIMITS, "notified": 0.5})


ANSWERS: list[Any] = [
    case({}, {}, HEARD, 2, id="well"),
    case({"sent": 0}, {}, UNHEARD, 2, id="nobody is told"),
    case({"failed": 1}, {}, UNHEARD, 2, id="telling fails"),
    case({"sent": -1}, {}, UNHEARD, 2, id="its counts fall"),
    case({}, {"v2/alerts": page([alert("OpsverifyTest")])}, "FAIL test-alert-left", 2, id="it stays"),
    case({}, {"v2/alerts": page("null")}, UNEXPECTED, 2, id="nobody knows whether it stays"),
    case({"status": 400}, {}, UNEXPECTED, 2, id="400"),
    case({"status": 403}, {}, "UNKNOWN denied", 2, id="403"),
    case({"status": 500}, {}, "UNKNOWN server-error", 2, id="500"),
    case({"status": 404}, {}, UNEXPECTED, 2, id="no API that takes it"),
    case({}, {"metrics": page("<html>", kind="text/html")}, "UNKNOWN empty", 0, id="it counts nothing"),
    case({}, {"metrics": page("x" * 2 * MIB)}, "UNKNOWN empty", 0, id="its counts are 2 MiB"),
    case({}, {"metrics": page("", status=503)}, "UNKNOWN server-error", 0, id="its counts are 503"),
]


@pytest.mark.parametrize(("counted", "given", "expected", "posts"), ANSWERS)
async def test_a_test_alert_has_a_verdict_and_is_ended(
    stage: Stage, counted: dict[str, int], given: dict[str, Act], expected: str, posts: int
) -> None:
    """What cannot be followed is not known, and not posted; what was posted, or may have been, is ended."""
    took = Posted(**counted)
    judged = await outcome(test_alerting.test_a_test_alert_is_heard, posted(stage, took, given), owned=True)
    assert (f"{judged.verdict} {judged.reason}", took.posts) == (expected, posts)


@pytest.mark.parametrize(
    ("receiver", "expected"),
    [
        (page(f"[] {ESCAPES}"), UNHEARD),
        (page("x" * 2 * MIB), UNHEARD),
        (page("", status=503), "UNKNOWN server-error"),
        (page("", status=401), "UNKNOWN denied"),
    ],
    ids=["it shows nothing of it", "it shows 2 MiB", "503", "401"],
)
async def test_the_receivers_own_word_counts(stage: Stage, receiver: Act, expected: str) -> None:
    """Where the receiver can be asked, Alertmanager's counts prove nothing; the alert is ended all the same."""
    took = Posted()
    judged = await outcome(
        test_alerting.test_a_test_alert_is_heard, posted(stage, took, {}, receiver), owned=True
    )
    assert (f"{judged.verdict} {judged.reason}", took.posts) == (expected, 2)


async def test_nothing_is_posted_unarmed(stage: Stage) -> None:
    """On a live target that does not arm it nothing is sent, and the check is skipped."""
    took = Posted()
    judged = await outcome(test_alerting.test_a_test_alert_is_heard, posted(stage, took, {}))
    assert (f"{judged.verdict} {judged.reason}", took.posts) == ("SKIP not armed", 0)
