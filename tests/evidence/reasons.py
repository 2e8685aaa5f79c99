"""Where less evidence may look better, and why nobody could tell from what is left."""

from __future__ import annotations

__all__ = ["BAD_AT_ITS_LIMIT", "MAY_BE", "ROWS_BY_HAND", "UNNOTICED", "UNNOTICED_ON_THE_WIRE", "reason_for"]

_ALERTS = "Alertmanager lists an alert, and who mutes it, only while it is so."
_FIRED = "ALERTS has a series of an alert only while it fires."
_EXPORTER = "What disks, lines and CPUs a node has, only its exporter knows; who has no series is named by its scrape."
_EVENT = "The event is the trouble: who made it, and what it tells, stands nowhere else."
_LINES = "A line with an error is the trouble; that logs arrive is seen by others."
_GIVEN = "What a service is given stands in its own definition, and what exists in Docker's one list."
_CERTIFICATE = "A certificate says itself until when it holds; a later day is good, wherever it comes from."
_CLOCK = "It is our own clock at the moment of the look: whoever sets it back sees every certificate hold."
_FAILED = "An agent's counter of failed checks may be there from its first failure on."
_NISSA_ALERTS = "Nissa's summary lists an alert only while it is active, and keeps no count."
_SLOS = "No program here publishes an SLO, and Nissa forgets those of others at a restart."

UNNOTICED: dict[tuple[str, str], str] = {
    **{(f"{of}_use", ".uses[]"): _EXPORTER for of in ("cpu", "disk", "memory", "network")},
    ("io_wait", ".uses[]"): _EXPORTER,
    ("dht_latency_before", ".operations[]"): "An operation that was not measured then cannot be compared.",
    ("recovery_watched", ".fired"): _FIRED,
    ("recovery_watched", ".fired[]"): _FIRED,
    (
        "validated",
        ".ill",
    ): "A component that is ill is listed by itself; one that no agent lists stands in `unlisted`.",
    ("standing_peers", ".active"): _ALERTS,
    ("cleared_admin", ".muted_by"): _ALERTS,
    ("cleared_admin", ".muted_by[]"): _ALERTS,
    ("configuration", ".secrets[]"): _GIVEN,
    ("configuration", ".services[].secrets"): _GIVEN,
    ("configuration", ".services[].secrets[]"): _GIVEN,
    (
        "validated",
        ".services.*",
    ): "The service manager's list is the only one; which there should be is B-SWM-1's.",
    ("service_networks", ".expected[]"): "It is what our own target names: no evidence of the system.",
    **{
        (f"{surface}_published", place): why
        for surface in ("alertmanager", "api", "grafana", "prometheus")
        for place, why in ((".at", _CLOCK), (".not_after", _CERTIFICATE))
    },
    ("nissa_summary", ".alerts"): _NISSA_ALERTS,
    ("nissa_summary", ".alerts[]"): _NISSA_ALERTS,
    ("nissa_summary", ".slos"): _SLOS,
    ("nissa_summary", ".slos[]"): _SLOS,
    (
        "conservative_mode",
        ".reasons",
    ): "Tamiyo puts a pause into its packet only where it paused, and keeps no count.",
    (
        "forge",
        ".forge.pending",
    ): "The forge's log names what is not compiled yet, and nothing else counts that.",
}
"""Observation and place in it (`*`: any name) → why its absence is not noticed."""

UNNOTICED_ON_THE_WIRE: dict[tuple[str, str], str] = {
    ("configuration", "secrets[]"): _GIVEN,
    ("configuration", "services[].secrets"): _GIVEN,
    ("configuration", "services[].secrets.*"): _GIVEN,
    ("configuration_now", "secrets[]"): _GIVEN,
    ("disk_use", "query.data.result[]"): _EXPORTER,
    ("loki_errors", "query_range.data.result"): _LINES,
    ("loki_errors", "query_range.data.result[]"): _LINES,
    ("loki_errors", "query_range.data.result[].values"): _LINES,
    **{
        ("enum_values", f"XREVRANGE{place}"): "The entry with the strange value is the trouble."
        for place in (
            "",
            "[]",
            "[][]",
            "[][].pairs",
            "[][].pairs[]",
            "[][].pairs[][]",
            "[][].pairs[][].bytes",
        )
    },
    (
        "nissa_metrics",
        "metricsesper_simic_training_reward_total",
    ): "The line that is no exposition is the trouble.",
    ("scraping", "targets.data.activeTargets[]"): "Prometheus's own list of its targets is the only one.",
    **{
        ("progress_events", f"[]{place}"): _EVENT
        for place in (
            "",
            ".created_at",
            ".detail.assessment_failures",
            ".detail.repos_processed",
            ".detail.repos_processed[]",
            ".detail.repos_processed[].repo",
            ".detail.skipped_budget",
            ".detail.skipped_budget[]",
        )
    },
    ("api_components", "checks.checks.*"): "An agent's own list of its components is the only one.",
    ("health_checks", "query.data.result[]"): _FAILED,
    ("cleared_admin", "silences"): "A silence is in Alertmanager's list, and nowhere else.",
    ("cleared_admin", "silences[]"): "A silence is in Alertmanager's list, and nowhere else.",
    **{
        ("recovery_watched", f"query_range.data.result{place}"): _FIRED
        for place in ("", "[]", "[].values", "[].values[]")
    },
    ("standing_peers", "alerts"): _ALERTS,
}
"""Observation and place in a reply → the same."""


def reason_for(name: str, place: str, among: dict[tuple[str, str], str]) -> tuple[str, str] | None:
    """The entry that this place of an observation falls under, if any."""
    if (name, place) in among:
        return name, place
    folder = name, place.rpartition(".")[0] + ".*"
    return folder if folder in among else None


_FROM = "The runbook and the bus act from that number on."
_BELOW = "The runbook says below: from the limit on it is high."
_WHOLE = "Counted in whole: so many have to be there, and what was seen is one fewer."
_ROUNDED = "A share is 1 less the limit: the last bit of the number decides."
_AGE = "The age is told by a clock beside it, in steps of its own."
_NOTHING = "At 0 there is no room at all."

BAD_AT_ITS_LIMIT: dict[tuple[str, str], str] = {
    ("B-CAP-1", "disk_use"): _BELOW,
    ("B-CAP-1", "memory_use"): _BELOW,
    ("B-HOST-1", "io_wait"): _BELOW,
    ("B-DB-2", "database_size"): _NOTHING,
    ("B-DB-2", "dead_tuples_least"): "From so many rows on a table is judged.",
    ("B-DHT-1b", "replication_alone"): "One copy is alone.",
    ("B-DHT-3", "dht_errors"): _ROUNDED,
    **{
        (check, limit): _AGE
        for check in ("B-MON-3", *(f"B-ALR-1{letter}" for letter in ("", "b", "c", "d", "e")))
        for limit in ("rule_slack", "rule_intervals")
    },
    ("B-VAL-1", "watch_gap"): _WHOLE,
    ("E-INF-4", "memory_use"): _NOTHING,
    ("E-KAS-2", "isolation_packets"): _WHOLE,
    ("E-NIS-3", "burn_rate"): "At 1 the budget burns as fast as it lasts.",
    ("E-OON-2", "normal_depth"): _FROM,
    ("E-OON-2b", "drop_depth"): _FROM,
    ("E-OON-2c", "normal_depth"): _FROM,
    ("E-OON-4", "drop_depth"): _FROM,
    ("E-OON-4", "normal_depth"): _FROM,
    ("E-REC-1b", "drop_depth"): _FROM,
    ("E-REC-1b", "normal_depth"): _FROM,
    ("E-REC-3b", "calm_packets"): _WHOLE,
    ("E-REC-4b", "isolation_packets"): _WHOLE,
    ("E-SIM-3", "simic_lag"): _AGE,
    ("E-TAM-3", "risk"): "Tamiyo pauses from that risk on.",
    ("E-TOL-2", "slow_epochs"): "So many slow ones in a row are too many.",
    ("E-TOL-2b", "slow_epochs"): "So many slow ones in a row are too many.",
    ("E-UP-2", "drop_depth"): _FROM,
    ("E-UP-2", "normal_depth"): _FROM,
    ("S-ACT-1", "skew"): _AGE,
    ("S-REC-1b", "resumed"): _WHOLE,
    ("S-SCH-2", "fire_times"): _WHOLE,
}
"""Check and threshold → why a value that is exactly at it is bad already."""

MAY_BE = frozenset({_AGE, _ROUNDED})
"""Reasons by which it hangs on the last bit of what was recorded on which side a value at its limit falls."""

_UNIT = "tests/unit/test_"
_FUTURE = f"{_UNIT}statehub_unknowns.py::test_an_event_of_the_future_leaves_it_open"

ROWS_BY_HAND: dict[tuple[str, str], str] = {
    ("B-CAP-1b", "cpu_use"): f"{_UNIT}bzzz_projection.py::test_each_resource_has_its_own_outlook",
    ("B-CAP-1b", "memory_use"): f"{_UNIT}bzzz_projection.py::test_each_resource_has_its_own_outlook",
    ("B-DB-1b", "connections"): f"{_UNIT}bzzz_database.py::test_one_of_the_two_connection_checks_judges",
    ("B-DB-1c", "connections_high"): f"{_UNIT}bzzz_database.py::test_one_of_the_two_connection_checks_judges",
    ("B-DB-2", "clock_ahead"): f"{_UNIT}bzzz_database.py::test_tables_are_judged_from_a_thousand_rows_on",
    (
        "B-DB-3",
        "archive_age",
    ): f"{_UNIT}bzzz_database.py::test_archiving_does_something_goes_well_and_keeps_up",
    (
        "B-DHT-1b",
        "replication",
    ): f"{_UNIT}bzzz_peers.py::test_the_average_is_judged_as_the_alert_does_and_the_milder_is_silent_then",
    ("B-MON-1b", "health_critical"): f"{_UNIT}bzzz_monitoring.py::test_a_score_at_its_boundaries",
    ("B-MON-3", "alert_gate"): f"{_UNIT}bzzz_alerting.py::test_what_is_at_the_gate_counts",
    (
        "B-MON-3",
        "alerting_settle",
    ): f"{_UNIT}bzzz_alerting.py::test_calm_is_told_by_an_alertmanager_that_knows_of_everything",
    ("B-SLP-1b", "slurp_dead_letters"): f"{_UNIT}bzzz_election.py::test_old_dead_letters_are_few",
    (
        "B-SWM-1",
        "failure_window",
    ): f"{_UNIT}bzzz_services.py::test_a_loop_is_judged_by_the_limits_of_the_one_who_judges",
    (
        "B-SWM-1",
        "task_failures",
    ): f"{_UNIT}bzzz_services.py::test_a_loop_is_judged_by_the_limits_of_the_one_who_judges",
    (
        "E-KAS-1",
        "isolation_packets",
    ): f"{_UNIT}training_criteria.py::test_isolation_is_judged_by_rise_and_acknowledgement",
    ("E-OON-2b", "normal_depth"): f"{_UNIT}bus_criteria.py::test_depth_is_judged_with_what_readers_owe",
    ("E-OON-2c", "drop_depth"): f"{_UNIT}bus_criteria.py::test_depth_is_judged_with_what_readers_owe",
    ("E-OON-2c", "in_flight"): f"{_UNIT}bus_criteria.py::test_depth_is_judged_with_what_readers_owe",
    ("E-REC-1b", "in_flight"): f"{_UNIT}bus_criteria.py::test_depth_is_judged_with_what_readers_owe",
    ("S-API-1", "skew"): f"{_UNIT}statehub_unknowns.py::test_one_event_more_on_one_way",
    ("S-DB-1b", "skew"): f"{_UNIT}statehub_sources.py::test_temporal_is_stuck_when_it_does_not_fire",
    ("S-DB-1", "skew"): f"{_UNIT}statehub_sources.py::test_a_standby_must_not_be_far_behind",
    ("S-DB-1", "standby"): f"{_UNIT}statehub_sources.py::test_a_standby_must_not_be_far_behind",
    ("S-K8S-1b", "skew"): f"{_UNIT}statehub_sources.py::test_a_job_that_is_gone_is_judged_by_its_definition",
    (
        "S-LCK-1",
        "slack",
    ): f"{_UNIT}statehub_unknowns.py::test_nothing_is_judged_before_an_instant_has_had_its_time",
    ("S-PRG-1b", "in_a_row"): f"{_UNIT}statehub_criteria.py::test_freshness_at_its_boundaries",
    ("S-PRG-1b", "skew"): _FUTURE,
    ("S-PRG-2", "slack"): f"{_UNIT}statehub_unknowns.py::test_events_that_do_not_reach_back_leave_it_open",
    ("S-PRG-2", "sweep"): f"{_UNIT}statehub_unknowns.py::test_events_that_do_not_reach_back_leave_it_open",
    (
        "S-PRG-3b",
        "in_a_row",
    ): f"{_UNIT}statehub_criteria.py::test_automation_errors_are_split_by_their_streak",
    ("S-PRG-3b", "skew"): _FUTURE,
    ("S-SCH-2", "skew"): f"{_UNIT}statehub_sources.py::test_the_instant_of_the_look_may_still_be_told",
    ("S-SRC-1", "skew"): f"{_UNIT}statehub_unknowns.py::test_who_swept_is_open_where_it_was_not_seen",
    ("S-SRC-1b", "skew"): f"{_UNIT}statehub_unknowns.py::test_who_swept_is_open_where_it_was_not_seen",
    ("S-SRC-1b", "slack"): f"{_UNIT}statehub_sweeps.py::test_sources_are_judged_from_their_beginning",
}
"""Check and threshold that no recorded evidence turns on → the test of units that has the rows at its boundary."""
