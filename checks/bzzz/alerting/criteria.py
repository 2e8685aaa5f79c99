"""What must hold of BZZZ's alerts, their rules, and those who are told of them."""

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
"""On either side of an `or`; operators are written in small letters and in capitals."""
_LONGEST = 400


def nothing_fires(alerts: Alerts, limits: BzzzLimits) -> Finding:
    """No alert of this system at or above the gate is active, but the Watchdog."""
    gate = limits.alert_gate
    there = [a for a in alerts.alerts if a.name != alerts.watchdog and a.state != "suppressed"]
    counted = [a for a in there if a.rank <= gate.value]
    milder = [a for a in there if a.rank > gate.value]
    incomplete = _incomplete(alerts, limits)
    return first_of(fail("alerts-active", counted), *_steps(alerts, limits), ok="no-alert").finding(
        expected=f"no active alert of this system of severity {gate} or worse ({', '.join(alerts.matchers)})",
        observed=f"{'' if alerts.whole else 'at least '}{len(counted)} active: {_names(counted)}"
        if counted
        else incomplete or _milder(milder),
        details=(
            *(a.told for a in sorted(counted, key=lambda a: a.rank)[:_MOST]),
            *([f"and {len(counted) - _MOST} more"] if len(counted) > _MOST else []),
            *(f"milder, not counted: {a.told}" for a in milder[:_MOST]),
            *(s.told for s in alerts.silences[:_MOST]),
            *([f"and {len(alerts.silences) - _MOST} more silences"] if len(alerts.silences) > _MOST else []),
        ),
        limits=(gate.named("alert_gate"), limits.alerting_settle.named("alerting_settle")),
    )


def _steps(alerts: Alerts, limits: BzzzLimits) -> tuple[Rung, ...]:
    """Why the absence of an alert, or of a silence, is no proof."""
    return (
        unknown("alertmanager-settling", _settling(alerts)),
        unknown("alertmanager-just-started", _just_started(alerts, limits)),
        unknown("alerts-cut", not alerts.whole),
    )


def _settling(alerts: Alerts) -> bool:
    """Whether it is looking for the others of its cluster: what they know it may lack."""
    return alerts.server.cluster == _SETTLING


def _just_started(alerts: Alerts, limits: BzzzLimits) -> bool:
    """Whether it may not yet have heard of every alert and silence: one that has heard of the Watchdog has."""
    # Both by its own clock: where ours differs, nobody may take one that is new for one that is old.
    age = alerts.server.at - alerts.server.started
    return age < limits.alerting_settle.duration and all(a.name != alerts.watchdog for a in alerts.alerts)


def _incomplete(alerts: Alerts, limits: BzzzLimits) -> str:
    """The same in words, or nothing."""
    if _settling(alerts):
        return f"{alerts.server.identity} is still looking for the others of its cluster: what they know it may lack"
    if _just_started(alerts, limits):
        age = (alerts.server.at - alerts.server.started).total_seconds()
        return (
            f"Alertmanager started {age:.0f} s ago; it has heard of everything after {limits.alerting_settle}"
        )
    if not alerts.whole:
        return f"more than 1 MiB of alerts; of the first {len(alerts.alerts)} none is one"
    return ""


def _milder(milder: list[Alert]) -> str:
    return f"none; {len(milder)} milder: {_names(milder)}" if milder else "none"


def _names(alerts: Iterable[Alert]) -> str:
    names = list(dict.fromkeys(a.name for a in alerts))
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return bounded_text(", ".join(names[:_MOST]), _LONGEST) + more


def nothing_is_muted(alerts: Alerts, incidents: Iterable[str], limits: BzzzLimits) -> Finding:
    """No alert of an incident fires unheard, because it is silenced or inhibited."""
    muted = [a for a in alerts.alerts if a.state == "suppressed" and a.name in set(incidents)]
    ends = {s.id: f"until {s.ends:%Y-%m-%d %H:%M:%SZ} by {s.by}: {s.comment}" for s in alerts.silences}
    return first_of(fail("incident-muted", muted), *_steps(alerts, limits), ok="none-muted").finding(
        expected="no alert of an incident that fires is silenced or inhibited",
        observed=f"{len(muted)} fire unheard: {_names(muted)}"
        if muted
        else _incomplete(alerts, limits) or "none",
        details=tuple(f"{_by_whom(a, ends)}: {a.told}" for a in muted[:_MOST]),
        limits=(limits.alerting_settle.named("alerting_settle"),),
    )


def _by_whom(alert: Alert, ends: dict[str, str]) -> str:
    silences = [f"silence {s} {ends.get(s, '')}".strip() for s in alert.silenced_by]
    told = "; ".join([*silences, *(f"inhibited by {i}" for i in alert.inhibited_by)])
    return bounded_text(told, _LONGEST) or "by no silence and no other alert (a mute time interval?)"


def watchdog_fires(alerts: Alerts, limits: BzzzLimits) -> Finding:
    """The alert that always fires has come to Alertmanager: the way from rule to Alertmanager works."""
    watchdog = alerts.watchdog
    there = [a for a in alerts.alerts if a.name == watchdog]
    silent = bool(watchdog) and all(a.state != "active" for a in there)
    settling, young = _settling(alerts), _just_started(alerts, limits)
    shown = "; ".join(f"{a.state}: {a.told}" for a in there[:3])
    return first_of(
        fail("watchdog-silent", silent and not (settling or young)),
        unknown("alertmanager-settling", settling),
        unknown("alertmanager-just-started", young),
        fine("no-watchdog", not watchdog),
        ok="watchdog-fires",
    ).finding(
        expected=f"{watchdog} is active in Alertmanager" if watchdog else "the target names no Watchdog",
        observed=shown or ((settling or young) and _incomplete(alerts, limits)) or "it is not there",
        details=(
            f"Alertmanager {alerts.server.version} by API {alerts.server.api}, since {alerts.server.started:%Y-%m-%d %H:%M:%SZ}",
        ),
        limits=(limits.alerting_settle.named("alerting_settle"),),
    )


def alertmanager_known(watching: Watching) -> Finding:
    """Prometheus sends its alerts to somebody."""
    return first_of(fail("no-alertmanager", not watching.alertmanagers), ok="alertmanager-known").finding(
        expected="Prometheus has an active Alertmanager",
        observed=", ".join(watching.alertmanagers) or "none: its alerts go to nobody",
    )


def rules_loaded(watching: Watching) -> Finding:
    """The rules of the four incidents, of capacity and of memory are loaded."""
    missing = watching.lacking
    there = sorted({r.name for r in watching.rules.rules if r.kind == "alerting"})
    return first_of(fail("rules-missing", missing or not watching.needed), ok="rules-loaded").finding(
        expected=f"alerting rules {', '.join(watching.needed)}",
        observed=f"missing: {', '.join(missing)}" if missing else f"all {len(watching.needed)} of them",
        details=(f"{len(watching.rules.rules)} rules are loaded: {', '.join(there[:_MOST]) or 'none'}",)
        if missing
        else (),
    )


def rules_evaluated(watching: Watching, limits: BzzzLimits) -> Finding:
    """Each rule of this system is healthy, and was evaluated lately by Prometheus's own clock."""
    sick = [
        f"{r.name} is {r.health}: {r.error or 'no error told'}"
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
        expected=f"each rule healthy, evaluated within {limits.rule_intervals} and {limits.rule_slack}",
        observed=f"{len(sick)} fail, {len(late)} not evaluated lately, {len(waiting)} not yet due of {len(watching.own)}",
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
    """Whether it was never evaluated, and Prometheus has had no time for it since it took it."""
    if rule.evaluated_ago_s is not None or loaded.taken is None:
        return False
    return 0 <= (loaded.at - loaded.taken).total_seconds() <= _due_s(rule, limits)


def _new(rule: Rule, loaded: Rules) -> str:
    age_s = (loaded.at - (loaded.taken or loaded.at)).total_seconds()
    return f"Prometheus took its rules {age_s:.0f} s ago, and {rule.name} was not evaluated yet, every {rule.interval_s:g} s"


def _lately(rule: Rule, limits: BzzzLimits) -> bool:
    most_s = _due_s(rule, limits)
    return rule.evaluated_ago_s is not None and -most_s <= rule.evaluated_ago_s <= most_s


def _late(rule: Rule) -> str:
    ago_s = rule.evaluated_ago_s
    ago = (
        "never evaluated"
        if ago_s is None
        else f"evaluated {abs(ago_s):.0f} s {'ago' if ago_s >= 0 else 'ahead'}"
    )
    return f"{rule.name} {ago}, every {rule.interval_s:g} s expected"


def rules_hear_silence(watching: Watching) -> Finding:
    """Each of the needed rules also fires where nothing is measured any more."""
    deaf = [r for r in watching.rules.rules if r.name in watching.needed and not _ABSENT.search(r.query)]
    names = ", ".join(dict.fromkeys(r.name for r in deaf))
    missing = watching.lacking
    return first_of(
        fail("rules-without-absent", deaf),
        unknown("rules-missing", missing or not watching.needed),
        ok="rules-hear-silence",
    ).finding(
        expected="each rule with `or absent(…)`: a metric that has vanished fires it too",
        observed=f"without it: {names}"
        if deaf
        else f"not loaded: {', '.join(missing)}"
        if missing
        else "each has it",
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
        observed=f"{_failures(failed) or 'flat'}; {sum(failures.sent.values()):.0f} notifications were tried",
        details=tuple(f"Prometheus warns: {w}" for w in failures.warnings),
        limits=(limits.notify_window.named("notify_window"),),
    )


def _failures(failed: dict[str, float]) -> str:
    return bounded_text(", ".join(f"{n} +{c:.1f}" for n, c in [*failed.items()][:_MOST]), _LONGEST)


def heard(test_alert: TestAlert, limits: BzzzLimits) -> Finding:
    """The test alert came to its receiver, and is over again."""
    sent, failed = test_alert.after.total - test_alert.before.total, test_alert.after.total_failed - test_alert.before.total_failed
    receiver = {
        True: "the receiver shows it",
        False: "the receiver does not show it",
        None: "no receiver's own address",
    }
    arrived = test_alert.heard if test_alert.heard is not None else sent > 0 and failed <= 0
    return first_of(
        fail("test-alert-unheard", not arrived),
        fail("test-alert-left", not test_alert.ended),
        ok="test-alert-heard",
    ).finding(
        expected=f"a test alert reaches its receiver within {limits.notified}, and ends",
        observed=f"{receiver[test_alert.heard]}, {sent:g} notifications tried and {failed:g} failed in {test_alert.took_s:.1f} s",
        details=()
        if test_alert.ended
        else (f'the test alert is still there: it ends by itself; alert with opsverify="{test_alert.id}"',),
        limits=(limits.notified.named("notified"),),
    )


def alerts_cleared(cleared: Cleared, limits: BzzzLimits) -> Finding:
    """An incident's alert is over: its rule is there and works, it fired, is inactive since long, and nothing mutes it."""
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
        "still-in-alertmanager": f"{len(cleared.active)} alerts in Alertmanager",
        "muted": "a silence may mute it",
        "rules-not-due": bounded_text("; ".join(_new(r, loaded) for r in waiting)),
        "inputs-missing": bounded_text("; ".join(cleared.missing)) or "nobody measures what it looks at",
        "never-fired": f"it did not fire within {limits.look_back}: there is no incident whose end could be validated",
        "watching": f"it fired last at {fired}: watching until {until:%Y-%m-%d %H:%M:%SZ} whether it stays clear"
        if until
        else "",
        "cleared": f"inactive; it fired last at {fired}",
    }
    return judged.finding(
        expected=f"{cleared.alert}: its rule healthy and inactive, not muted, clear for {limits.cleared_for} at least",
        observed=observed.get(judged.reason, f"its rule is {cleared.state}"),
        details=(
            *cleared.active[:_MOST],
            *cleared.muted_by[:_MOST],
            *(_line(f"measured: {each}") for each in cleared.inputs),
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
    """Until when it has to stay clear: at least twice as long as its rule waits before it fires."""
    if cleared.fired_at is None:
        return None
    waits = (2 * timedelta(seconds=r.for_s) for r in cleared.rules.rules)
    return cleared.fired_at + max(limits.cleared_for.duration, *waits, timedelta(0))


def _trouble(rule: Rule, limits: BzzzLimits) -> str:
    if rule.health != "ok":
        return f"{rule.name} is {rule.health}: {rule.error or 'no error told'}"
    return "" if _lately(rule, limits) else f"{rule.name} was not evaluated for {_due_s(rule, limits):g} s"
