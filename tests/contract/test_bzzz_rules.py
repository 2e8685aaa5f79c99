"""The rules that we ship for BZZZ: promtool takes them, each fires for its reason, and the twin loads the same text."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from fixtures.bzzz.twin.rules import MEMORY_LIMIT, rules_text, twin_rules
from systems.bzzz.incidents.alerts import INCIDENTS, needed_rules
from systems.bzzz.monitoring.target import PrometheusTarget

DOCS = Path(__file__).resolve().parents[2] / "docs" / "bzzz"
RULES = [rule for group in yaml.safe_load(rules_text())["groups"] for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}


def promtool(*arguments: str) -> tuple[int, str]:
    """Its exit status, and what it said."""
    program = shutil.which("promtool")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("promtool is not on this machine, and CI is to have it")
        pytest.skip("promtool is not on this machine: apt-get install prometheus")
    done = subprocess.run(
        [program, *arguments], cwd=DOCS, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_promtool_takes_the_rules() -> None:
    """`promtool check rules` finds nothing."""
    status, said = promtool("check", "rules", "bzzz.rules.yml")
    assert (status, "SUCCESS" in said) == (0, True), said


def test_each_rule_fires_for_its_reason() -> None:
    """`promtool test rules`: each alert for its cause and where nothing is measured, and none of them in health."""
    status, said = promtool("test", "rules", "bzzz.rules.test.yml")
    assert (status, "SUCCESS" in said) == (0, True), said


def test_the_twins_rules_are_taken_too(tmp_path: Path) -> None:
    """What the twin loads is in order as well."""
    file = tmp_path / "twin.rules.yml"
    file.write_text(twin_rules(rules_text()), encoding="utf-8")
    status, said = promtool("check", "rules", str(file))
    assert (status, "SUCCESS" in said) == (0, True), said


def test_all_that_is_needed_is_there_and_hears_silence() -> None:
    """Every rule that the checks need is shipped, has a severity, and an `or absent(…)`."""
    needed = needed_rules(PrometheusTarget(url="http://prometheus:9090"))
    assert set(needed) | {"Watchdog"} == set(ALERTS)
    assert set(INCIDENTS) < set(needed)
    for name in needed:
        assert ALERTS[name]["labels"]["severity"] in {"P0", "P1", "P2"}, name
        assert " or absent(" in " ".join(ALERTS[name]["expr"].split()), name
    for name, metric in INCIDENTS.items():
        assert metric in ALERTS[name]["expr"]


def test_the_twins_rules_differ_in_their_times_and_the_memory_limit_only() -> None:
    """The documented transformation changes `for`, the windows of rates and one figure; nothing else."""
    changed = [
        (old, new)
        for old, new in zip(rules_text().splitlines(), twin_rules(rules_text()).splitlines(), strict=True)
        if old != new
    ]
    assert changed
    for old, new in changed:
        back = re.sub(r"for: 1s", "for: X", re.sub(r"\[(\d+)s\]", r"[\1m]", new))
        back = back.replace(str(round(0.9 * MEMORY_LIMIT)), str(round(0.9 * 4 * 1024**3)))
        assert back == re.sub(r"for: \d+m", "for: X", old)
