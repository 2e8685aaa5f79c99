"""Actions on Prometheus and Alertmanager (runbook "Monitoring and Alerting", "Prometheus Data Backup")."""

from __future__ import annotations

import asyncio
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from opsverify.model.deadline import Deadline, seconds
from opsverify.model.operator import Refused, action
from opsverify.probes.http import open_poster
from opsverify.probes.prometheus import api_data
from opsverify.probes.replies import basic_login, parse_as
from systems.bzzz.actions import BzzzActions
from systems.bzzz.alerting.client import NO_SUCH_API
from systems.bzzz.alerting.models import TestAlert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opsverify.probes.http import Reply
    from systems.bzzz.alerting.models import Matcher

__all__ = ["TEST_ALERT", "MonitoringActions"]

TEST_ALERT = "OpsverifyTest"
_OK = 200
_WITHIN = seconds(10)
_SNAPSHOT = seconds(120)
_POLL_S = 0.2
_WHO = "opsverify"
_NO_ALERT = "no alert is called so"


class _SnapshotJson(TypedDict):
    name: str


class _SilenceJson(TypedDict):
    silenceID: str


class _V1SilenceJson(TypedDict):
    silenceId: str


class _V1Json(TypedDict):
    data: _V1SilenceJson


_SNAPSHOT_REPLY: TypeAdapter[_SnapshotJson] = TypeAdapter(_SnapshotJson)
_SILENCE: TypeAdapter[_SilenceJson] = TypeAdapter(_SilenceJson)
_V1: TypeAdapter[_V1Json] = TypeAdapter(_V1Json)


class MonitoringActions(BzzzActions):
    """Actions on Prometheus and Alertmanager."""

    @action
    async def create_silence(self, *, matchers: Sequence[Matcher], within: timedelta, comment: str) -> str:
        """Silence the alerts that all `matchers` match from now on, for `within`; returns the silence's id.

        Raises:
            Refused: without a matcher on alertname, or with one that may match any name, it would mute too much.
        """
        named = [m for m in matchers if m.name == "alertname" and m.equal and m.value]
        if all(m.may_match(_NO_ALERT) for m in named):
            msg = "a silence needs a matcher on alertname, a name or a pattern such as `BZZZ.*`; anything else would mute alerts that are not under maintenance"
            raise Refused(msg)
        now = datetime.now(UTC)
        body = {
            "matchers": [
                {"name": m.name, "value": m.value, "isRegex": m.regex, "isEqual": m.equal} for m in matchers
            ],
            "startsAt": now.isoformat(),
            "endsAt": (now + within).isoformat(),
            "createdBy": _WHO,
            "comment": comment,
        }
        reply = await self._post_alerting("silences", body)
        if "/api/v1/" in reply.url:
            return parse_as(reply, _V1, reply.json())["data"]["silenceId"]
        return parse_as(reply, _SILENCE, reply.json())["silenceID"]

    @action
    async def expire_silence(self, silence: str) -> str:
        """Expire a silence now, and verify that it has ended."""
        target, login = self._client.alertmanager.target, self._login()
        async with open_poster() as poster:
            for version in ("v2", "v1"):
                reply = await poster.delete(
                    f"{target.url}/api/{version}/silence/{quote(silence, safe='')}",
                    answers={_OK, *NO_SUCH_API},
                    within=_WITHIN,
                    headers=login,
                )
                if reply.status == _OK:
                    break
        left = [s for s in await self._client.alertmanager.silences() if s.id == silence]
        if left:
            msg = f"the silence has not ended: {left[0].summary}; Alertmanager answered {reply.shown()}"
            raise Refused(msg)
        return f"silence {silence} has ended"

    @action
    async def send_test_alert(self) -> TestAlert:
        """Post a test alert, wait until its receiver was notified, and resolve it."""
        manager, limits = self._client.alertmanager, self._section.limits
        name, begin = secrets.token_hex(6), time.monotonic()
        labels = {**manager.target.test_labels, "alertname": TEST_ALERT, "opsverify": name}
        before = after = await manager.notifications()
        clock, received = Deadline(limits.notified.duration), None
        try:
            await self.post_alert(labels, lasts=limits.notified.duration + _WITHIN)
            while not clock.passed:
                await asyncio.sleep(_POLL_S)
                after = await manager.notifications()
                received = await self._heard(name)
                if received or (received is None and after.total > before.total):
                    break
        finally:
            took_s = time.monotonic() - begin
            await self.post_alert(labels, lasts=timedelta(0))
        ended = not await manager.alerts(f'opsverify="{name}"')
        return TestAlert(
            id=name, before=before, after=after, took_s=round(took_s, 3), heard=received, ended=ended
        )

    @action
    async def snapshot_prometheus(self) -> str:
        """Have Prometheus take a snapshot of its data; returns its name, which is a folder under `snapshots/`."""
        target = self._client.prometheus.target
        async with open_poster() as poster:
            reply = await poster.post(
                f"{target.url}/api/v1/admin/tsdb/snapshot",
                None,
                answers={_OK},
                within=_SNAPSHOT,
                headers=basic_login(target.username, target.password_env),
            )
        return api_data(reply, _SNAPSHOT_REPLY)[0]["name"]

    async def post_alert(self, labels: Mapping[str, str], *, lasts: timedelta) -> None:
        """Post an alert that resolves by itself after `lasts`; only for `send_test_alert` and for drills on a twin."""
        self.arming.require("actions", "send_test_alert")
        now = datetime.now(UTC)
        alert = {
            "labels": dict(labels),
            "annotations": {"summary": f"Test alert by {_WHO}: nothing is wrong, no action needed"},
            "startsAt": (now - seconds(1)).isoformat(),
            "endsAt": (now + lasts).isoformat(),
        }
        await self._post_alerting("alerts", [alert])

    async def _heard(self, name: str) -> bool | None:
        """Whether the receiver's page shows the alert; None where the target names no receiver."""
        if self._client.alertmanager.target.receiver is None:
            return None
        return name in await self._client.alertmanager.heard()

    async def _post_alerting(self, path: str, body: Any) -> Reply:
        """POST to the newest API that the server has; one without v2 answers 404 or 410 and changes nothing."""
        url, login = self._client.alertmanager.target.url, self._login()
        async with open_poster() as poster:
            reply = await poster.post(
                f"{url}/api/v2/{path}", body, answers={_OK, *NO_SUCH_API}, within=_WITHIN, headers=login
            )
            if reply.status == _OK:
                return reply
            return await poster.post(
                f"{url}/api/v1/{path}", body, answers={_OK}, within=_WITHIN, headers=login
            )

    def _login(self) -> dict[str, str]:
        target = self._client.alertmanager.target
        return basic_login(target.username, target.password_env)
