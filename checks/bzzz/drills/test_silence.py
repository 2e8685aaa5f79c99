"""Rehearses runbook "Check Alert Status": a silence for a maintenance window mutes what it should, and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from opsverify import seconds
from opsverify.model.ladder import fail, first_of
from systems.bzzz.alerting.models import Matcher
from systems.bzzz.alerting.silences import as_wanted, stood
from systems.bzzz.monitoring.operator import TEST_ALERT

if TYPE_CHECKING:
    from opsverify.run.drill import Drill

STEADY = ("B-MON-3",)
WINDOW, LASTS = seconds(5), seconds(60)
UNDER, BESIDE = "under-maintenance", "beside-it"
MUTED = (Matcher(name="alertname", value=TEST_ALERT), Matcher(name="opsverify", value=UNDER))


@pytest.mark.check(
    id="B-ALR-2",
    severity="P3",
    profiles="drill",
    subsystem="monitoring",
    runbook='"Check Alert Status"',
    next_step="compare the silence's matchers with the alert's labels (amtool silence query); the runbook's example goes to API v1, which newer servers no longer have",
)
async def test_a_silence_mutes_what_it_should_and_ends(drill: Drill) -> None:
    """A silence for a maintenance window mutes the alert that it matches and no other, and ends with its window."""
    await drill.steady(*STEADY, within=seconds(30))
    operator, client = drill.site.operator(), drill.site.client

    async with drill.step("recover", "silence what is maintained", bound=seconds(10)) as notes:
        silence = await operator.create_silence(matchers=MUTED, within=WINDOW, comment="maintenance drill")
        notes.append(silence)
    async with drill.step(
        "recover", "an alert under maintenance, and one beside it", bound=seconds(10)
    ) as notes:
        for test in (UNDER, BESIDE):
            await operator.post_alert({"alertname": TEST_ALERT, "opsverify": test}, lasts=LASTS)
        wanted = {UNDER: ("suppressed", False), BESIDE: ("active", True)}
        muted = await stood(client, wanted, within=seconds(10))
        notes += [f"{test}: {how}" for test, how in muted.items()]
    its_own = as_wanted(muted, wanted) and muted[UNDER].silenced_by == (silence,)
    drill.findings.append(
        first_of(fail("mutes-otherwise", not its_own), ok="mutes-its-own").finding(
            expected="the silence mutes what is maintained, and nothing else",
            observed=f"{UNDER} {muted[UNDER]}; {BESIDE} {muted[BESIDE]}",
        )
    )
    async with drill.step("recover", "the window ends", bound=WINDOW + seconds(15)) as notes:
        wanted = {UNDER: ("active", True)}
        heard = await stood(client, wanted, within=WINDOW + seconds(15))
        notes.append(str(heard[UNDER]))
    drill.findings.append(
        first_of(fail("mutes-on", not as_wanted(heard, wanted)), ok="ended-with-its-window").finding(
            expected="once the window is over, the muted alert is notified",
            observed=f"{UNDER} {heard[UNDER]}",
        )
    )
    async with drill.step(
        "recover", "a silence that is no longer needed is ended early", bound=seconds(10)
    ) as notes:
        early = await operator.create_silence(matchers=MUTED, within=LASTS, comment="maintenance drill")
        notes.append(await operator.expire_silence(early))
    async with drill.step("recover", "the test alerts end", bound=seconds(20)) as notes:
        for test in (UNDER, BESIDE):
            await operator.post_alert({"alertname": TEST_ALERT, "opsverify": test}, lasts=seconds(0))
        ended = await stood(client, {UNDER: ("gone", True), BESIDE: ("gone", True)}, within=seconds(15))
        notes += [f"{test}: {how}" for test, how in ended.items()]
    left = await client.alertmanager.silences()
    drill.findings.append(
        first_of(fail("silences-left", left), ok="no-silence-left").finding(
            expected="no silence is left",
            observed="; ".join(s.summary for s in left) or "none",
        )
    )
    await drill.recovered(*STEADY, within=seconds(30))
