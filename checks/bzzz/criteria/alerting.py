"""What must hold of BZZZ's alerts, their rules, and those who are told of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from opsverify.evidence import bounded_text
from opsverify.verdict import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fixtures.bzzz.limits import BzzzLimits
    from fixtures.bzzz.seen.alerts import Alert, Alerts, Cleared, Failures, TestAlert
    from fixtures.bzzz.seen.monitoring import Rule, Watching

__all__ = [
    "alertmanager_known",
    "alerts_cleared",
    "heard",
    "nothing_fires",
    "nothing_is_muted",
    "notifications_leave",
    "rules_evaluated",
    "rules_hear_silence",
    "rules_loaded",
    "watchdog_fires",
]

_MOST = 20
_ABSENT = re.compile(
    r"(?:^[\s(]*|\bor\b(?:\s*(?:on|ignoring)\s*\([^()]*\))?[\s(]*)absent(?:_over_time)?\s*\(", re.IGNORECASE
)
"""On either side of an `or`; operators are written in small letters and in capitals."""
_LONGEST = 400


def nothing_fires(seen: Alerts, limits: BzzzLimits) -> Finding:
    """No alert of this system at or above the gate is active, but the Watchdog."""
    gate = limits.alert_gate
    there = [a for a in seen.alerts if a.name != seen.watchdog and a.state != "suppressed"]
    counted = [a for a in there if a.rank <= gate.value]
    milder = [a for a in there if a.rank > gate.value]
    return Finding(
        holds=not counted,
        reason="alerts-active" if counted else "no-alert",
        expected=f"no active alert of this system of severity {gate} or worse ({', '.join(seen.matchers)})",
        observed=f"{'' if seen.whole else 'at least '}{len(counted)} active: {_names(counted)}"
        if counted
        else _milder(milder),
        details=(
            *(a.told for a in sorted(counted, key=lambda a: a.rank)[:_MOST]),
            *([f"and {len(counted) - _MOST} more"] if len(counted) > _MOST else []),
            *(f"milder, not counted: {a.told}" for a in milder[:_MOST]),
            *(s.told for s in seen.silences[:_MOST]),
            *([f"and {len(seen.silences) - _MOST} more silences"] if len(seen.silences) > _MOST else []),
        ),
        limits=(gate.named("alert_gate"),),
    )


def _milder(milder: list[Alert]) -> str:
    return f"none; {len(milder)} milder: {_names(milder)}" if milder else "none"


def _names(alerts: Iterable[Alert]) -> str:
    names = list(dict.fromkeys(a.name for a in alerts))
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return bounded_text(", ".join(names[:_MOST]), _LONGEST) + more


def nothing_is_muted(seen: Alerts, incidents: Iterable[str]) -> Finding:
    """No alert of an incident fires unheard, because it is silenced or inhibited."""
    muted = [a for a in seen.alerts if a.state == "suppressed" and a.name in set(incidents)]
    ends = {s.id: f"until {s.ends:%Y-%m-%d %H:%M:%SZ} by {s.by}: {s.comment}" for s in seen.silences}
    return Finding(
        holds=not muted,
        reason="incident-muted" if muted else "none-muted",
        expected="no alert of an incident that fires is silenced or inhibited",
        observed=f"{len(muted)} fire unheard: {_names(muted)}" if muted else "none",
        details=tuple(f"{_by_whom(a, ends)}: {a.told}" for a in muted[:_MOST]),
    )


def _by_whom(alert: Alert, ends: dict[str, str]) -> str:
    silences = [f"silence {s} {ends.get(s, '')}".strip() for s in alert.silenced_by]
    told = "; ".join([*silences, *(f"inhibited by {i}" for i in alert.inhibited_by)])
    return bounded_text(told, _LONGEST) or "by no silence and no other alert (a mute time interval?)"


def watchdog_fires(seen: Alerts) -> Finding:
    """The alert that always fires has come to Alertmanager: the way from rule to Alertmanager works."""
    watchdog = seen.watchdog
    there = [a for a in seen.alerts if a.name == watchdog]
    holds = not watchdog or any(a.state == "active" for a in there)
    return Finding(
        holds=holds,
        reason=("watchdog-fires" if watchdog else "no-watchdog") if holds else "watchdog-silent",
        expected=f"{watchdog} is active in Alertmanager" if watchdog else "the target names no Watchdog",
        observed="; ".join(f"{a.state}: {a.told}" for a in there[:3]) or "it is not there",
        details=(
            f"Alertmanager {seen.server.version} by API {seen.server.api}, since {seen.server.started:%Y-%m-%d %H:%M:%SZ}",
        ),
    )


def alertmanager_known(seen: Watching) -> Finding:
    """Prometheus sends its alerts to somebody."""
    holds = bool(seen.alertmanagers)
    return Finding(
        holds=holds,
        reason="alertmanager-known" if holds else "no-alertmanager",
        expected="Prometheus has an active Alertmanager",
        observed=", ".join(seen.alertmanagers) or "none: its alerts go to nobody",
    )


def rules_loaded(seen: Watching) -> Finding:
    """The rules of the four incidents, of capacity and of memory are loaded."""
    there = {r.name for r in seen.rules.rules if r.kind == "alerting"}
    missing = [name for name in seen.needed if name not in there]
    return Finding(
        holds=not missing,
        reason="rules-missing" if missing else "rules-loaded",
        expected=f"alerting rules {', '.join(seen.needed)}",
        observed=f"missing: {', '.join(missing)}" if missing else f"all {len(seen.needed)} of them",
        details=(f"{len(seen.rules.rules)} rules are loaded: {', '.join(sorted(there)[:_MOST]) or 'none'}",)
        if missing
        else (),
    )


def rules_evaluated(seen: Watching, limits: BzzzLimits) -> Finding:
    """Each rule of this system is healthy, and was evaluated lately by Prometheus's own clock."""
    own = [r for r in seen.rules.rules if r.name in seen.needed or r.name.lower().startswith("bzzz")]
    sick = [
        f"{r.name} is {r.health}: {r.error or 'no error told'}"
        for r in own
        if r.health not in {"ok", "unknown"}
    ]
    late = [_late(r) for r in own if r.health in {"ok", "unknown"} and not _lately(r, limits)]
    reason = "rules-failing" if sick else "rules-not-evaluated" if late else "rules-healthy"
    return Finding(
        holds=not sick and not late,
        reason=reason,
        expected=f"each rule healthy, evaluated within {limits.rule_intervals} and {limits.rule_slack}",
        observed=f"{len(sick)} fail, {len(late)} not evaluated lately of {len(own)}",
        details=(*(f"Prometheus warns: {w}" for w in seen.rules.warnings), *sick, *late)[:_MOST],
        limits=(limits.rule_intervals.named("rule_intervals"), limits.rule_slack.named("rule_slack")),
    )


def _lately(rule: Rule, limits: BzzzLimits) -> bool:
    most_s = limits.rule_intervals.value * rule.interval_s + limits.rule_slack.value
    return rule.evaluated_ago_s is not None and -most_s <= rule.evaluated_ago_s <= most_s


def _late(rule: Rule) -> str:
    ago_s = rule.evaluated_ago_s
    ago = (
        "never evaluated"
        if ago_s is None
        else f"evaluated {abs(ago_s):.0f} s {'ago' if ago_s >= 0 else 'ahead'}"
    )
    return f"{rule.name} {ago}, every {rule.interval_s:g} s expected"


def rules_hear_silence(seen: Watching) -> Finding:
    """Each of the needed rules also fires where nothing is measured any more."""
    deaf = [r for r in seen.rules.rules if r.name in seen.needed and not _ABSENT.search(r.query)]
    return Finding(
        holds=not deaf,
        reason="rules-without-absent" if deaf else "rules-hear-silence",
        expected="each rule with `or absent(…)`: a metric that has vanished fires it too",
        observed=f"without it: {', '.join(dict.fromkeys(r.name for r in deaf))}" if deaf else "each has it",
        details=tuple(_line(f"{r.name} in {r.group}: {r.query}") for r in deaf[:_MOST]),
    )


def _line(text: str) -> str:
    return bounded_text(" ".join(text.split()), _LONGEST)


def notifications_leave(seen: Failures, limits: BzzzLimits) -> Finding:
    """No notification failed in the window."""
    failed = {name: count for name, count in seen.failed.items() if not count <= 0}
    return Finding(
        holds=not failed,
        reason="notifications-failed" if failed else "notifications-leave",
        expected=f"alertmanager_notifications_failed_total flat over {seen.window_s:g} s",
        observed=f"{_failures(failed) or 'flat'}; {seen.sent:.0f} notifications were tried",
        details=tuple(f"Prometheus warns: {w}" for w in seen.warnings),
        limits=(limits.notify_window.named("notify_window"),),
    )


def _failures(failed: dict[str, float]) -> str:
    return bounded_text(", ".join(f"{n} +{c:.1f}" for n, c in [*failed.items()][:_MOST]), _LONGEST)


def heard(seen: TestAlert, limits: BzzzLimits) -> Finding:
    """The test alert came to its receiver, and is over again."""
    sent, failed = seen.after.total - seen.before.total, seen.after.total_failed - seen.before.total_failed
    told = {
        True: "the receiver shows it",
        False: "the receiver does not show it",
        None: "no receiver's own address",
    }
    arrived = seen.heard if seen.heard is not None else sent > 0 and failed <= 0
    reason = "test-alert-heard" if arrived else "test-alert-unheard"
    if arrived and not seen.ended:
        reason = "test-alert-left"
    return Finding(
        holds=arrived and seen.ended,
        reason=reason,
        expected=f"a test alert reaches its receiver within {limits.notified}, and ends",
        observed=f"{told[seen.heard]}, {sent:g} notifications tried and {failed:g} failed in {seen.took_s:.1f} s",
        details=()
        if seen.ended
        else (f'the test alert is still there: it ends by itself; alert with opsverify="{seen.id}"',),
        limits=(limits.notified.named("notified"),),
    )


def alerts_cleared(seen: Cleared, limits: BzzzLimits) -> Finding:
    """An incident's alert is over: its rule is there and works, it is inactive, and nothing mutes it."""
    reasons = (
        (seen.state == "missing", "rule-missing", f"Prometheus has no rule {seen.alert}"),
        (bool(seen.trouble), "rule-failing", bounded_text("; ".join(seen.trouble))),
        (seen.state in {"firing", "pending"}, f"still-{seen.state}", f"its rule is {seen.state}"),
        (bool(seen.active), "still-in-alertmanager", f"{len(seen.active)} alerts in Alertmanager"),
        (bool(seen.muted_by), "muted", "a silence may mute it"),
    )
    found = next(((reason, told) for applies, reason, told in reasons if applies), None)
    fired = f"inactive; it fired last at {seen.fired_at:%Y-%m-%d %H:%M:%SZ}" if seen.fired_at else "inactive"
    return Finding(
        holds=found is None,
        reason=found[0] if found else "cleared",
        expected=f"{seen.alert}: its rule healthy and inactive, not muted, clear for {limits.cleared_for} at least",
        observed=found[1] if found else fired,
        details=(
            *seen.active[:_MOST],
            *seen.muted_by[:_MOST],
            *(_line(f"measured: {each}") for each in seen.inputs),
            *(_line(f"rule {each}") for each in seen.rules[:5]),
        ),
        limits=(limits.cleared_for.named("cleared_for"), limits.look_back.named("look_back")),
    )
