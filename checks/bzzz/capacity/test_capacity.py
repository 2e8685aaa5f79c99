"""Capacity: storage, use of nodes and tasks, projections, log sizes, latency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checks.bzzz.capacity.criteria import nodes as nodes_criteria
from checks.bzzz.capacity.criteria import outlook as capacity
from checks.bzzz.logs import criteria as logs_criteria
from checks.bzzz.storage import criteria as storage_criteria
from opsverify import verify

if TYPE_CHECKING:
    from opsverify import Observation
    from systems.bzzz.capacity.models import Latency, Trails, Uses
    from systems.bzzz.limits import BzzzLimits
    from systems.bzzz.logs.models import NodeLogs
    from systems.bzzz.services.models import TaskUse
    from systems.bzzz.storage.models import StorageState, StorageWritten

CRITICAL = '"Critical Dependencies"'
MONITORING = '"Capacity Planning"'
CONTENTION = '"Resource Contention"'


@pytest.mark.check(
    id="B-STO-1",
    severity="P0",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook=CRITICAL,
    next_step="check that the NFS server is up and reachable from this host; for a stale handle umount -f -l and mount again; "
    "then restart the services that write there (B-DHT-1, B-DB-1, B-BAK-1 suffer first)",
)
def test_storage_is_mounted_and_writable(storage: Observation[StorageState]) -> None:
    """The storage is mounted where the services need it, answers, and is writable."""
    verify(storage_criteria.mounted(storage.value), storage_criteria.usable(storage.value))


@pytest.mark.check(
    id="B-STO-1b",
    severity="P1",
    profiles="smoke canary incident",
    runbook=CRITICAL,
    next_step="clean up logs and temporary files first (runbook, System Health Critical: disk full); check that old backups are rotated",
)
def test_storage_has_room(storage: Observation[StorageState], limits: BzzzLimits) -> None:
    """The storage has room left."""
    verify(storage_criteria.roomy(storage.value, limits))


@pytest.mark.check(
    id="B-STO-1c",
    severity="P0",
    profiles="smoke canary incident",
    unreachable="fail",
    runbook=CRITICAL,
    next_step="see B-STO-1 for the mount and B-STO-1b for room; a quota, or root_squash on the server, shows only here",
)
def test_storage_takes_a_file(storage_written: Observation[StorageWritten]) -> None:
    """A file that is written to the storage can be read back and removed."""
    verify(storage_criteria.written(storage_written.value))


@pytest.mark.check(
    id="B-CAP-1",
    severity="P2",
    profiles="canary maintenance",
    runbook=MONITORING,
    next_step='find what uses it ("High Memory Usage", "Resource Contention"); scale (docker service scale) or extend (B-CAP-1b says for how long it lasts)',
)
def test_nodes_use_less_than_their_limits(
    cpu_use: Observation[Uses], memory_use: Observation[Uses], disk_use: Observation[Uses], limits: BzzzLimits
) -> None:
    """CPU, memory and disk of each node are below 70 %."""
    verify(
        nodes_criteria.cpu_below(cpu_use.value, limits),
        nodes_criteria.memory_below(memory_use.value, limits),
        nodes_criteria.disk_below(disk_use.value, limits),
    )


@pytest.mark.check(
    id="B-CAP-1b",
    severity="P2",
    profiles="canary maintenance",
    runbook=MONITORING,
    next_step="plan the expansion now: it takes 3 to 6 months (runbook); on a disk, first see what grows (B-HOST-1d, B-BAK-1)",
)
def test_no_limit_is_reached_soon(use_over_days: Observation[Trails], limits: BzzzLimits) -> None:
    """No node's CPU, memory or disk reaches its limit within the days that are planned ahead."""
    trails = use_over_days.value
    verify(
        capacity.cpu_lasts(trails, limits),
        capacity.memory_lasts(trails, limits),
        capacity.disk_lasts(trails, limits),
    )


@pytest.mark.check(
    id="B-CAP-1c",
    severity="P2",
    profiles="canary maintenance",
    runbook='"High Memory Usage" Alert',
    next_step="look for a memory leak in the task that grows, restart it (docker service update --force); if it is no leak, raise --limit-memory",
)
def test_tasks_stay_within_their_memory(
    task_uses: Observation[tuple[TaskUse, ...]], limits: BzzzLimits
) -> None:
    """No task is near the memory limit at which it is killed."""
    verify(capacity.tasks_within_memory(task_uses.value, limits))


@pytest.mark.check(
    id="B-HOST-1",
    severity="P3",
    profiles="canary maintenance",
    runbook=CONTENTION,
    next_step="iotop on that node: is it the storage (B-STO-1), a running backup, or the database's checkpoints?",
)
def test_nodes_do_not_wait_for_disks(io_wait: Observation[Uses], limits: BzzzLimits) -> None:
    """The CPUs of each node wait little for its disks."""
    verify(nodes_criteria.io_wait_below(io_wait.value, limits))


@pytest.mark.check(
    id="B-HOST-1b",
    severity="P3",
    profiles="canary maintenance",
    runbook=CONTENTION,
    next_step="iftop or nethogs on that node: is content being provided again, or a backup copied off-site?",
)
def test_lines_are_not_full(network_use: Observation[Uses], limits: BzzzLimits) -> None:
    """No network interface of a node is near its speed."""
    verify(nodes_criteria.network_below(network_use.value, limits))


@pytest.mark.check(
    id="B-HOST-1c",
    severity="P3",
    profiles="canary maintenance",
    runbook='"Resource Optimization"',
    next_step="append both lines to /etc/sysctl.conf and run sysctl -p on that node; it may have been rebuilt",
)
def test_nodes_have_the_tuned_settings(kernel_settings: Observation[Uses], limits: BzzzLimits) -> None:
    """Each node has the network buffers that the runbook sets."""
    verify(nodes_criteria.tuned(kernel_settings.value, limits))


@pytest.mark.check(
    id="B-HOST-1d",
    severity="P3",
    profiles="canary maintenance",
    runbook='"Scheduled Maintenance"',
    next_step="rotate the large files (docker's log options max-size, max-file; logrotate); B-LOG-1 shows what writes so much",
)
def test_logs_do_not_grow_without_bound(
    node_logs: Observation[tuple[NodeLogs, ...]], limits: BzzzLimits
) -> None:
    """No log file of a node, and not all of them together, exceed their limit."""
    verify(logs_criteria.logs_bounded(node_logs.value, limits))


@pytest.mark.check(
    id="B-LAT-1",
    subsystem="dht",
    severity="P2",
    profiles="incident",
    runbook='"Monitoring Performance Impact"',
    next_step="what was tuned, and is one node slower than the others? Run bzzz profile-cpu 30 in its task, ping between the nodes (B-NET-1)",
)
def test_operations_are_as_fast_as_before(
    dht_latency_before: Observation[Latency], dht_latency: Observation[Latency], limits: BzzzLimits
) -> None:
    """DHT operations are not slower than in the baseline run."""
    verify(capacity.no_slower(dht_latency_before.value, dht_latency.value, limits))
