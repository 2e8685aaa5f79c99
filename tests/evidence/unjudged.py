"""What a check passes without: each place in what is observed that no check misses, and why it does not matter.

A row is an observation, a place in its value (`#` for any element of a list, `*` for anything), and the reason.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

__all__ = ["UNJUDGED", "why_unjudged"]

_OURS = "It is what the suite asked for or expects, by the target or the runbook: no evidence of the system."
_SHOWN = "No promise is about it: a finding shows it to who reads on."
_BESIDE = (
    "It is shown beside the verdict; another check of the same observation, or of another one, judges it."
)
_LABELS = "Labels name a series; who is missing is told by the number of series."
_CLOCK = "It is the moment of a look, by which something older or younger is measured; here nothing is."
_INVENTORY = "What the server lists is the only list there is; what should be in it is another check's."
_FIRST_LOOK = "It is the look before the one that is judged."
_HISTORY = "It is older than what is judged, or one of many from which a line is drawn."

UNJUDGED: tuple[tuple[str, str, str], ...] = (
    # BZZZ
    ("*_published", ".at", "It is our own clock beside the certificate's dates."),
    ("*_published", ".not_*", "An earlier begin or a later end of a certificate is no worse."),
    ("*_published", ".issuer", _SHOWN),
    ("*_published", ".names*", "The certificate's names were compared when it was taken: the answer tells."),
    ("*_published", ".without_tls", _SHOWN),
    ("alerts", ".alerts#.*", _SHOWN),
    ("alerts", ".matchers*", _OURS),
    ("alerts", ".server.*", _SHOWN),
    ("*", ".at", _CLOCK),
    ("*", ".warnings", _SHOWN),
    ("*", ".evidence*", _SHOWN),
    (
        "*",
        ".running.*",
        "The agents that run are asked of the service manager; how many there should be stands beside.",
    ),
    ("*", ".window_s", _OURS),
    ("*", ".wanted*", _OURS),
    ("*", ".needed*", _OURS),
    ("*", ".names*", _OURS),
    ("*", ".source.*", "It says which packets were read; whether they are fresh is judged by their age."),
    ("*", "*.manual*", "Runs by hand are not on the grid."),
    ("*", "*.took_s", _SHOWN),
    ("api_components", ".components#.*", _SHOWN),
    ("bootstraps", ".bootstraps#.*", _SHOWN),
    ("bootstraps", ".held_s", _OURS),
    ("cleared_*", ".fired_at", "Where it fired earlier than was seen, it has been quiet for longer."),
    ("cleared_*", ".inputs*", _SHOWN),
    ("cleared_*", ".rules.*", _SHOWN),
    ("configuration", ".levels*", "A configuration that says no level has the program's own."),
    ("configuration", ".services#.*", "What a service is given stands in its own definition only."),
    ("configuration_export", ".without_payload*", _SHOWN),
    ("configuration_now", ".changed*", _SHOWN),
    ("configuration_now", ".used*", "It says which objects are in use; all that exist are compared."),
    ("database_connections", ".holders*", _SHOWN),
    (
        "database_health",
        ".tables#.*",
        "A table with few dead rows needs no vacuum, whenever the last one was.",
    ),
    ("dht_backup", ".declared", _OURS),
    (
        "dht_latency*",
        ".operations#",
        "An operation that was never measured cannot be compared; one that is no more leaves it open.",
    ),
    ("dht_latency*", ".operations#.count", _SHOWN),
    ("dht_round_trip", ".nodes*", _OURS),
    ("election", ".earlier", _FIRST_LOOK),
    ("election", ".elsewhere", _SHOWN),
    ("election", ".roles", _SHOWN),
    ("election", ".views#.*", _BESIDE),
    ("election_window", ".changes", _SHOWN),
    ("election_window", ".first#.*", _FIRST_LOOK),
    ("election_window", ".last#.candidates*", _BESIDE),
    ("errors", ".rates.*", "A component's counter of errors is there from its first error on."),
    (
        "health_checks",
        ".failed.*",
        "An agent's counter of failed checks may be there from its first failure on.",
    ),
    ("health_checks", ".passed.*", _LABELS),
    ("health_scores", ".components.*", "Components' scores say why; the whole's score is judged."),
    ("health_scores", ".system.*", _LABELS),
    (
        "kernel_settings",
        ".uses#",
        "A node whose exporter lacks a setting is among the stale ones, by its scrape.",
    ),
    ("last_restore", ".last.written", _SHOWN),
    ("links", ".links#*", "The suite makes one for each pair of nodes; what is not listed is not reached."),
    ("links", ".places*", _SHOWN),
    ("loki_errors", ".*", _SHOWN),
    ("node_logs", "#", "Which nodes have a shell is the target's."),
    (
        "notification_failures",
        ".sent*",
        "Integrations are counted from Alertmanager's start on, tried or not.",
    ),
    ("offsite_copy", ".how*", _SHOWN),
    ("p2p_message", ".nodes*", _OURS),
    (
        "postgres_from_inside",
        ".tasks_*",
        "Only where the service's name does not answer are its tasks asked.",
    ),
    ("prometheus_snapshot", ".declared", _OURS),
    ("pubsub", ".nodes.*", _SHOWN),
    ("recovery_watched", ".begin", "It is watched for at least as long as it should be."),
    ("recovery_watched", ".recovered_at", _OURS),
    ("replication", ".put_rate", _SHOWN),
    ("restored_newest_backup", ".*", _SHOWN),
    ("roles", ".roles.*", "Two candidates are enough."),
    ("running_services", ".services#.*", _BESIDE),
    ("running_services", ".lo*", _SHOWN),
    ("service_errors", ".*", _SHOWN),
    ("service_networks", ".expected*", _OURS),
    ("service_networks", ".specified*", _OURS),
    ("service_settings", ".services#.*", _BESIDE),
    ("slurp", ".*st#.*", "How many were handled is judged where a repeated event is sent."),
    ("standing_*", ".causes", _SHOWN),
    ("storage", ".paths#.*", _SHOWN),
    ("task_flow", ".*", _SHOWN),
    ("task_uses", "#*", "Which tasks run is B-SWM-1's."),
    ("test_alert", ".*", "Notifications are counted by integration; the sum is judged."),
    ("*_use", ".uses#", "A node without a series is among the stale ones, by its scrape."),
    ("io_wait", ".uses#", "A node without a series is among the stale ones, by its scrape."),
    ("use_over_days", ".trails#*", _HISTORY),
    (
        "validated",
        ".services.*",
        "The service manager's list is the only one; which there should be is B-SWM-1's.",
    ),
    ("wal_archiving", ".last_at", "Nothing was written since: then nothing had to be archived."),
    ("watching", ".rules.*", _SHOWN),
    # Esper-Lite
    ("canary", ".waited_s", _SHOWN),
    ("conservative_mode", ".loss_delta", _SHOWN),
    ("conservative_mode", ".risk", _SHOWN),
    ("consumer_progress", ".progress#.*", "Entries that were settled are no longer pending."),
    ("emergency_queue", ".groups*", "Who reads the stream is E-OON-5's; its depth is judged."),
    ("enum_values", ".health_from*", _SHOWN),
    ("forge", ".seconds", _SHOWN),
    ("ingest", ".consumers*", _SHOWN),
    ("ingest", ".quiet_s.*", "How long a stream was quiet matters where nothing arrived."),
    ("ingest", ".settled", _SHOWN),
    ("isolation", ".readings#.age_s", _SHOWN),
    ("isolation", ".seeds*", _SHOWN),
    ("kernels", ".loads#.*", _SHOWN),
    ("latency_alert", ".latencies#", "One epoch in a row is not several."),
    ("library", ".blueprints#.risk", "The library's risk is compared in E-REC-6b."),
    ("newest_entries", ".counts*", "Newest entries are judged by their contents."),
    ("newest_entries", ".streams.*.decoded.*", "A field that its message may leave out."),
    ("nissa_metrics", ".counters*", "Of several counters one that moved is enough."),
    ("nissa_summary", ".fed_s.*", _SHOWN),
    ("normal_queue", ".exact*", _SHOWN),
    ("normal_queue", ".readers*", "Who reads the stream is E-OON-5's; its depth is judged."),
    ("policy_validation", ".training_age_s", _SHOWN),
    ("quarantine", ".*age_s", _SHOWN),
    ("report_log", ".o*", _SHOWN),
    ("simic_training", ".readings#.age_s", _SHOWN),
    ("tamiyo_decisions", ".highest#.age_s", _SHOWN),
    ("tolaria_health", ".told#.indicators*", _SHOWN),
    ("tolaria_run", ".epochs#.*", "One epoch in a row is not several."),
    # State Hub
    ("activity_runs", ".runs#.result.skipped_clean*", "Who was clean is judged by the number."),
    ("activity_server", ".*.behind", "A primary is behind nobody."),
    ("*_newest", ".events##", "Events are compared by their ids."),
    ("applied_manifest", ".deployments#.*", _BESIDE),
    ("clocks", ".asked*", _OURS),
    ("clocks", ".clockless*", _SHOWN),
    ("definition", ".changed", _SHOWN),
    ("deployments", ".deployments#.pods*", _SHOWN),
    ("local_timer", ".scopes*", _OURS),
    ("sources", ".covers", "A window that begins earlier covers more."),
    ("sources", "*.newest", _SHOWN),
    ("temporal_schedule", ".created", "One that is older has the same grid."),
)


def why_unjudged(observation: str, place: str) -> tuple[str, str, str] | None:
    """The row that says why nobody misses this place of an observation, if there is one."""
    flat = place.replace("[]", "#")
    return next(
        (row for row in UNJUDGED if fnmatchcase(observation, row[0]) and fnmatchcase(flat, row[1])), None
    )
