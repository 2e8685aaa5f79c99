"""The metrics file: what both formats read, and what it keeps from the run before."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as as_openmetrics
from prometheus_client.parser import text_string_to_metric_families as as_prometheus

from opsverify.model.verdict import Severity, Verdict
from opsverify.report.model import CanarySummary, CheckResult, CheckState, RunReport, SubsystemRate
from opsverify.report.openmetrics import render_openmetrics, write_openmetrics

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SUCCESS = "opsverify_last_success_timestamp_seconds"


def report(exit_status: int = 0, *, at: datetime = NOW, **changes: Any) -> RunReport:
    """A canary's report of one check."""
    check = CheckResult(
        id="L-BLB-1",
        row="L-BLB-1",
        name="n",
        promise="p",
        system="lamp",
        subsystem="bulb",
        severity=Severity.P1,
        verdict=Verdict.PASS,
        reason="r",
        gated=True,
        nodeid="n",
    )
    rate = SubsystemRate(
        system="lamp",
        subsystem="bulb",
        window="1 h",
        passed=1,
        failed=1,
        unknown=0,
        success=0.5,
        budget_left=-49,
    )
    blank = rate.model_copy(update={"window": "24 h", "success": None, "budget_left": None})
    fields: dict[str, Any] = {
        "run_id": "r1",
        "opsverify_version": "0.1",
        "target": "porch",
        "target_file": "live.toml",
        "kind": "live",
        "profile": "canary",
        "gate": Severity.P1,
        "started": at - timedelta(seconds=2),
        "finished": at,
        "took": 2.0,
        "exit_status": exit_status,
        "exit_meaning": "",
        "headline": "",
        "counts": {Verdict.PASS: 1},
        "checks": (check,),
        "canary": CanarySummary(
            history="h",
            states=(CheckState(check="L-BLB-1", state="UP", since=NOW - timedelta(hours=1)),),
            rates=(rate, blank),
        ),
    }
    return RunReport(**(fields | changes))


def samples(text: str) -> dict[str, float]:
    """Every sample by name and the labels that tell it apart, read as Prometheus text."""
    return {
        "|".join(
            [s.name, *(v for k, v in sorted(s.labels.items()) if k not in ("target", "profile"))]
        ): s.value
        for family in as_prometheus(text)
        for s in family.samples
    }


def test_both_formats_read_the_same() -> None:
    """OpenMetrics and Prometheus text both find every sample with the same value."""
    text = render_openmetrics(report(), None)
    strict = [(s.name, s.labels, s.value) for f in as_openmetrics(text) for s in f.samples]  # type: ignore[no-untyped-call]
    loose = [(s.name, s.labels, s.value) for f in as_prometheus(text) for s in f.samples]
    assert strict == loose
    assert text.endswith("# EOF\n")


def test_what_it_says() -> None:
    """Last run, last success, status, verdicts, each check's verdict and state, and each subsystem's success are there."""
    told = samples(render_openmetrics(report(), None))
    assert told["opsverify_last_run_timestamp_seconds"] == told[SUCCESS] == NOW.timestamp()
    assert (told["opsverify_exit_status"], told["opsverify_run_duration_seconds"]) == (0, 2)
    assert (told["opsverify_checks|PASS"], told["opsverify_checks|FAIL"]) == (1, 0)
    assert told["opsverify_check_verdict|L-BLB-1|P1|bulb|lamp|PASS"] == 1
    assert told["opsverify_check_state|L-BLB-1|P1|UP|bulb|lamp"] == 1
    assert told["opsverify_success_ratio|bulb|lamp|1h"] == 0.5
    assert told["opsverify_error_budget_left_ratio|bulb|lamp|1h"] == -49
    assert not [name for name in told if name.endswith("24h")]
    assert "opsverify_check_state" not in render_openmetrics(report(canary=None), None)


def test_the_last_success_outlives_a_failure(tmp_path: Path) -> None:
    """A run that fails keeps the time of the last one that did not, and another target's is not taken for it."""
    path, later = tmp_path / "m.prom", NOW + timedelta(minutes=5)
    write_openmetrics(path, report(10))
    assert SUCCESS not in path.read_text(encoding="utf-8")
    write_openmetrics(path, report())
    write_openmetrics(path, report(10, at=later))
    told = samples(path.read_text(encoding="utf-8"))
    assert told[SUCCESS] == NOW.timestamp()
    assert told["opsverify_last_run_timestamp_seconds"] == later.timestamp()
    write_openmetrics(path, report(10, target="cellar"))
    assert SUCCESS not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("before", [b"not metrics at all {{{", b"\xff\xfe", b""])
def test_what_was_there_before_breaks_nothing(tmp_path: Path, before: bytes) -> None:
    """A file that is no metrics is replaced."""
    path = tmp_path / "m.prom"
    path.write_bytes(before)
    write_openmetrics(path, report(10))
    assert "opsverify_exit_status" in path.read_text(encoding="utf-8")


def test_it_is_replaced_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be put in place leaves the old one whole and nothing beside it; a new one can be read by all."""
    path = tmp_path / "m.prom"
    write_openmetrics(path, report())
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    old = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_openmetrics(path, report(10))
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (old, [path])


def test_labels_are_escaped() -> None:
    """What stands in a label cannot make a sample of its own."""
    text = render_openmetrics(report(target='a"} 1\nopsverify_fake 1\n'), None)
    assert not [name for name in samples(text) if "fake" in name.split("|")[0]]
