"""Criteria of alerting: active alerts, silences, rules, notifications, cleared incidents."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, fine, first_of, unknown
from opsverify.model.text import bounded_text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from opsverify.model.ladder import Rung
    from opsverify.model.verdict import Finding
    from systems.bzzz.alerting.models import Alert, Alerts, Cleared, Failures, TestAlert
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.monitoring.models import Rule, Rules, Watching

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
_SETTLING = "settling"
_ABSENT = re.compile(
    r"(?:^[\s(]*|\bor\b(?:\s*(?:on|ignoring)\s*\([^()]*\))?[\s(]*)absent(?:_over_time)?\s*\(", re.IGNORECASE
)
"""`absent(…)` on either side of an `or`; PromQL takes operators in any case."""
_LONGEST = 400


def nothing_fires(alerts: Alerts, limits: BzzzLimits) -> Finding:
    """No alert of this system at or above the gate is active, except the Watchdog."""
    gate = limits.alert_gate
    there = [a for a in alerts.alerts if a.name != alerts.watchdog and a.state != "suppressed"]
    counted = [a for a in there if a.rank <= gate.value]
    below = [a for a in there if a.rank > gate.value]
    incomplete = _incomplete(alerts, limits)
    return first_of(fail("alerts-active", counted), *_steps(alerts, limits), ok="no-alert").finding(
        expected=f"no active alert of severity P{gate.value:g} or worse that matches {', '.join(alerts.matchers)}",
        observed=f"{'' if alerts.whole else 'at least '}{len(counted)} active: {_names(counted)}"
        if counted
        else incomplete or (f"none; {len(below)} below the gate: {_names(below)}" if below else "none"),
        details=(
            *(a.summary for a in sorted(counted, key=lambda a: a.rank)[:_MOST]),
            *([f"and {len(counted) - _MOST} more"] if len(counted) > _MOST else []),
            *(f"below the gate, not counted: {a.summary}" for a in below[:_MOST]),
            *(s.summary for s in alerts.silences[:_MOST]),
            *([f"and {len(alerts.silences) - _MOST} more silences"] if len(alerts.silences) > _MOST else []),
        ),
        limits=(gate.named("alert_gate"), limits.alerting_settle.named("alerting_settle")),
    )


def _steps(alerts: Alerts, limits: BzzzLimits) -> tuple[Rung, ...]:
    """Why a missing alert, or a missing silence, proves nothing."""
    return (
        unknown("alertmanager-settling", _settling(alerts)),
        unknown("alertmanager-just-started", _just_started(alerts, limits)),
        unknown("alerts-cut", not alerts.whole),
    )


def _settling(alerts: Alerts) -> bool:
    """Whether Alertmanager is still joining its cluster: it may lack what its peers know."""
    return alerts.server.cluster == _SETTLING


def _just_started(alerts: Alerts, limits: BzzzLimits) -> bool:
    """Whether Prometheus may not have sent every alert again since Alertmanager's start. The Watchdog shows that it has."""
    # Both times are Alertmanager's own, so that a wrong clock here does not make a new server look old.
    age = alerts.server.at - alerts.server.started
    return age < limits.alerting_settle.duration and all(a.name != alerts.watchdog for a in alerts.alerts)


def _incomplete(alerts: Alerts, limits: BzzzLimits) -> str:
    """Why the list of alerts may be incomplete, as text; empty where it is complete."""
    if _settling(alerts):
        return f"{alerts.server.identity} is still settling in its cluster: alerts and silences of its peers may be missing"
    if _just_started(alerts, limits):
        age = (alerts.server.at - alerts.server.started).total_seconds()
        return f"Alertmanager started {age:.0f} s ago; Prometheus may take {limits.alerting_settle} to send it every alert again"
    if not alerts.whole:
        return f"none among the first {len(alerts.alerts)} alerts; the reply exceeds 1 MiB and the rest was not read"
    return ""


def _names(alerts: Iterable[Alert]) -> str:
    names = list(dict.fromkeys(a.name for a in alerts))
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return bounded_text(", ".join(names[:_MOST]), _LONGEST) + more


def nothing_is_muted(alerts: Alerts, incidents: Iterable[str], limits: BzzzLimits) -> Finding:
    """No incident's alert that fires is silenced or inhibited."""
    muted = [a for a in alerts.alerts if a.state == "suppressed" and a.name in set(incidents)]
    ends = {s.id: f"until {s.ends:%Y-%m-%d %H:%M:%SZ} by {s.by}: {s.comment}" for s in alerts.silences}
    return first_of(fail("incident-muted", muted), *_steps(alerts, limits), ok="none-muted").finding(
        expected="no firing alert of an incident is silenced or inhibited",
        observed=f"{len(muted)} firing but silenced or inhibited: {_names(muted)}"
        if muted
        else _incomplete(alerts, limits) or "none",
        details=tuple(f"{_muted_by(a, ends)}: {a.summary}" for a in muted[:_MOST]),
        limits=(limits.alerting_settle.named("alerting_settle"),),
    )


def _muted_by(alert: Alert, ends: dict[str, str]) -> str:
    silences = [f"silence {s} {ends.get(s, '')}".strip() for s in alert.silenced_by]
    causes = "; ".join([*silences, *(f"inhibited by {i}" for i in alert.inhibited_by)])
    return (
        bounded_text(causes, _LONGEST)
        or "suppressed by no silence and no other alert (a mute time interval?)"
    )


def watchdog_fires(alerts: Alerts, limits: BzzzLimits) -> Finding:
    """The alert that always fires is active in Alertmanager: the path from rule to Alertmanager works."""
    watchdog = alerts.watchdog
    there = [a for a in alerts.alerts if a.name == watchdog]
    silent = bool(watchdog) and all(a.state != "active" for a in there)
    settling, young = _settling(alerts), _just_started(alerts, limits)
    shown = "; ".join(f"{a.state}: {a.summary}" for a in there[:3])
    return first_of(
        fail("watchdog-silent", silent and not (settling or young)),
        unknown("alertmanager-settling", settling),
        unknown("alertmanager-just-started", young),
        fine("no-watchdog", not watchdog),
        ok="watchdog-fires",
    ).finding(
        expected=f"{watchdog} is active in Alertmanager" if watchdog else "the target configures no watchdog",
        observed=shown
        or ((settling or young) and _incomplete(alerts, limits))
        or (f"{watchdog} is not in Alertmanager" if watchdog else "not judged"),
        details=(
            f"Alertmanager {alerts.server.version}, API {alerts.server.api}, started {alerts.server.started:%Y-%m-%d %H:%M:%SZ}",
        ),
        limits=(limits.alerting_settle.named("alerting_settle"),),
    )


def alertmanager_known(watching: Watching) -> Finding:
    """Prometheus has an Alertmanager to send its alerts to."""
    return first_of(fail("no-alertmanager", not watching.alertmanagers), ok="alertmanager-known").finding(
        expected="Prometheus has an active Alertmanager",
        observed=", ".join(watching.alertmanagers) or "none: its alerts are sent nowhere",
    )


def rules_loaded(watching: Watching) -> Finding:
    """The rules of the four incidents, of capacity and of memory are loaded."""
    missing = watching.lacking
    there = sorted({r.name for r in watching.rules.rules if r.kind == "alerting"})
    return first_of(fail("rules-missing", missing or not watching.needed), ok="rules-loaded").finding(
        expected=f"alerting rules {', '.join(watching.needed)}",
        observed=f"missing: {', '.join(missing)}" if missing else f"all {len(watching.needed)} loaded",
        details=(f"{len(watching.rules.rules)} rules loaded; alerting: {', '.join(there[:_MOST]) or 'none'}",)
        if missing
        else (),
    )


def rules_evaluated(watching: Watching, limits: BzzzLimits) -> Finding:
    """Each rule of this system is healthy and was evaluated recently, by Prometheus's own clock."""
    sick = [
        f"{r.name}: health {r.health}: {r.error or 'no lastError'}"
        for r in watching.own
        if r.health not in {"ok", "unknown"}
    ]
    working = [r for r in watching.own if r.health in {"ok", "unknown"}]
    waiting = [r for r in working if _not_due(r, watching.rules, limits)]
    late = [_late(r) for r in working if r not in waiting and not _lately(r, limits)]
    return first_of(
        fail("rules-failing", sick),
        fail("rules-not-evaluated", late),
        unknown("rules-not-due", waiting),
        unknown("no-rules", not watching.own),
        ok="rules-healthy",
    ).finding(
        expected=f"each rule healthy, last evaluated at most {limits.rule_intervals} and {limits.rule_slack} ago",
        observed=f"{len(watching.own)} rules: {len(sick)} failing, {len(late)} not evaluated recently, {len(waiting)} not due yet",
        details=(
            *(f"Prometheus warns: {w}" for w in watching.rules.warnings),
            *sick,
            *late,
            *(_new(r, watching.rules) for r in waiting),
        )[:_MOST],
        limits=(limits.rule_intervals.named("rule_intervals"), limits.rule_slack.named("rule_slack")),
    )


def _due_s(rule: Rule, limits: BzzzLimits) -> float:
    """The oldest that a rule's last evaluation may be."""
    return limits.rule_intervals.value * rule.interval_s + limits.rule_slack.value


def _not_due(rule: Rule, loaded: Rules, limits: BzzzLimits) -> bool:
    """Whether it was never evaluated, and was loaded too recently for that to be late."""
    if rule.evaluated_ago_s is not None or loaded.taken is None:
        return False
    return 0 <= (loaded.at - loaded.taken).total_seconds() <= _due_s(rule, limits)


def _new(rule: Rule, loaded: Rules) -> str:
    age_s = (loaded.at - (loaded.taken or loaded.at)).total_seconds()
    return f"{rule.name} not evaluated yet: rules loaded {age_s:.0f} s ago, evaluation interval {rule.interval_s:g} s"


def _lately(rule: Rule, limits: BzzzLimits) -> bool:
    most_s = _due_s(rule, limits)
    return rule.evaluated_ago_s is not None and -most_s <= rule.evaluated_ago_s <= most_s


def _late(rule: Rule) -> str:
    ago_s = rule.evaluated_ago_s
    ago = (
        "never evaluated"
        if ago_s is None
        else f"last evaluated {abs(ago_s):.0f} s {'ago' if ago_s >= 0 else 'in the future'}"
    )
    return f"{rule.name} {ago}, evaluation interval {rule.interval_s:g} s"


def rules_hear_silence(watching: Watching) -> Finding:
    """Each of the needed rules also fires when its metric is absent."""
    deaf = [r for r in watching.rules.rules if r.name in watching.needed and not _ABSENT.search(r.query)]
    names = ", ".join(dict.fromkeys(r.name for r in deaf))
    missing = watching.lacking
    return first_of(
        fail("rules-without-absent", deaf),
        unknown("rules-missing", missing or not watching.needed),
        ok="rules-hear-silence",
    ).finding(
        expected="each rule has `or absent(…)`, so that it also fires when its metric has vanished",
        observed=f"no `or absent(…)` in: {names}"
        if deaf
        else f"not loaded: {', '.join(missing)}"
        if missing
        else "each rule has it",
        details=tuple(_line(f"{r.name} in {r.group}: {r.query}") for r in deaf[:_MOST]),
    )


def _line(text: str) -> str:
    return bounded_text(" ".join(text.split()), _LONGEST)


def notifications_leave(failures: Failures, limits: BzzzLimits) -> Finding:
    """No notification failed in the window."""
    failed = {name: count for name, count in failures.failed.items() if not count <= 0}
    return first_of(
        fail("notifications-failed", failed),
        unknown("not-counted", not failures.failed or failures.sent.keys() - failures.failed.keys()),
        ok="notifications-leave",
    ).finding(
        expected=f"alertmanager_notifications_failed_total flat over {failures.window_s:g} s",
        observed=f"{f'failed: {_failures(failed)}' if failed else 'flat'}; {sum(failures.sent.values()):.0f} notifications attempted",
        details=tuple(f"Prometheus warns: {w}" for w in failures.warnings),
        limits=(limits.notify_window.named("notify_window"),),
    )


def _failures(failed: dict[str, float]) -> str:
    return bounded_text(", ".join(f"{n} +{c:.1f}" for n, c in [*failed.items()][:_MOST]), _LONGEST)


def heard(test_alert: TestAlert, limits: BzzzLimits) -> Finding:
    """The test alert reached its receiver, and has ended."""
    sent, failed = (
        test_alert.after.total - test_alert.before.total,
        test_alert.after.total_failed - test_alert.before.total_failed,
    )
    receiver = {
        True: "the receiver got it",
        False: "the receiver did not get it",
        None: "the target names no receiver to ask",
    }
    arrived = test_alert.heard if test_alert.heard is not None else sent > 0 and failed <= 0
    return first_of(
        fail("test-alert-unheard", not arrived),
        fail("test-alert-left", not test_alert.ended),
        ok="test-alert-heard",
    ).finding(
        expected=f"a test alert reaches its receiver within {limits.notified}, and ends",
        observed=f"{receiver[test_alert.heard]}; {sent:g} notifications attempted, {failed:g} failed, in {test_alert.took_s:.1f} s",
        details=()
        if test_alert.ended
        else (f'the test alert opsverify="{test_alert.id}" is still active; it resolves by itself',),
        limits=(limits.notified.named("notified"),),
    )


def alerts_cleared(cleared: Cleared, limits: BzzzLimits) -> Finding:
    """An incident's alert has cleared: its rule is healthy, it fired, has been inactive long enough, and nothing mutes it."""
    loaded = cleared.rules
    waiting = [r for r in loaded.rules if _not_due(r, loaded, limits) and r.health in {"ok", "unknown"}]
    trouble = [t for r in loaded.rules if r not in waiting and (t := _trouble(r, limits))]
    until = _clear_until(cleared, limits)
    judged = first_of(
        fail("rule-missing", not loaded.rules),
        fail("rule-failing", trouble),
        fail("still-firing", cleared.state == "firing"),
        fail("still-pending", cleared.state == "pending"),
        fail("still-in-alertmanager", cleared.active),
        fail("muted", cleared.muted_by),
        unknown("rules-not-due", waiting),
        unknown("inputs-missing", cleared.missing or not cleared.inputs),
        unknown("never-fired", until is None),
        unknown("watching", until is not None and not loaded.at >= until),
        ok="cleared",
    )
    fired = f"{cleared.fired_at:%Y-%m-%d %H:%M:%SZ}" if cleared.fired_at else "never"
    observed = {
        "rule-missing": f"Prometheus has no rule {cleared.alert}",
        "rule-failing": bounded_text("; ".join(trouble)),
        "still-in-alertmanager": f"{len(cleared.active)} alerts still in Alertmanager",
        "muted": f"{len(cleared.muted_by)} active silences may mute it",
        "rules-not-due": bounded_text("; ".join(_new(r, loaded) for r in waiting)),
        "inputs-missing": bounded_text("; ".join(cleared.missing))
        or "Prometheus has no series for its expression",
        "never-fired": f"it did not fire in the last {limits.look_back}: there is no incident whose end could be validated",
        "watching": f"last fired at {fired}; must stay clear until {until:%Y-%m-%d %H:%M:%SZ}"
        if until
        else "",
        "cleared": f"inactive; last fired at {fired}",
    }
    return judged.finding(
        expected=f"{cleared.alert}: rule healthy and inactive, not silenced, clear for at least {limits.cleared_for}",
        observed=observed.get(judged.reason, f"the rule is {cleared.state}"),
        details=(
            *cleared.active[:_MOST],
            *cleared.muted_by[:_MOST],
            *(_line(f"current value: {each}") for each in cleared.inputs),
            *(_line(f"rule {r.group}: {r.query}") for r in loaded.rules[:5]),
        ),
        limits=(
            limits.cleared_for.named("cleared_for"),
            limits.look_back.named("look_back"),
            limits.rule_intervals.named("rule_intervals"),
            limits.rule_slack.named("rule_slack"),
        ),
    )


def _clear_until(cleared: Cleared, limits: BzzzLimits) -> datetime | None:
    """Until when it has to stay clear: at least twice its rule's `for`."""
    if cleared.fired_at is None:
        return None
    waits = (2 * timedelta(seconds=r.for_s) for r in cleared.rules.rules)
    return cleared.fired_at + max(limits.cleared_for.duration, *waits, timedelta(0))


def _trouble(rule: Rule, limits: BzzzLimits) -> str:
    if rule.health != "ok":
        return f"{rule.name}: health {rule.health}: {rule.error or 'no lastError'}"
    return (
        ""
        if _lately(rule, limits)
        else f"{rule.name} was not evaluated in the last {_due_s(rule, limits):g} s"
    )
