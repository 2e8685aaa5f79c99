"""State Hub's part of a target: what is wrong is named, with what would be right; instances are told apart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from opsverify.model.limits import Window
from systems.statehub.limits import StateHubLimits
from systems.statehub.section import StateHubSection

OBSERVING = Path(__file__).resolve().parents[2] / "systems" / "statehub"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"temporal": {"url": "temporal.example.net:7233"}}, "grpc://host:port"),
        ({"temporal": {"url": "http://temporal.example.net:7233"}}, "grpc://host:port"),
        ({"temporal": {"url": "grpc://temporal.example.net"}}, "the port is missing"),
        ({"kubernetes": {"kubeconfig": "k", "namespace": "a/b"}}, "must be the name of an object"),
        ({"kubernetes": {"kubeconfig": "k", "job": "../secrets"}}, "must be the name of an object"),
        ({"kubernetes": {"kubeconfig": "k", "worker": "a?b=c"}}, "must be the name of an object"),
        ({"kubernetes": {}}, "kubeconfig"),
        ({"workstation": {"host": "docker://x"}}, "ssh://host:port"),
        ({"workstation": {"host": "local://", "scopes": []}}, "at least 1 item"),
        ({"workstation": {"host": "local://", "scopes": ["root"]}}, "'system' or 'user'"),
        ({"absent": {"temporal": ""}}, "needs a reason"),
    ],
)
def test_what_is_wrong_is_named(said: dict[str, Any], told: str) -> None:
    """A bad value is refused before anything is asked, with what would be right."""
    with pytest.raises(ValidationError, match=told):
        StateHubSection.model_validate(said)


def test_each_surface_is_configured_absent_or_missing() -> None:
    """What is neither configured nor declared absent is told, so that its required checks make a run vacuous."""
    section = StateHubSection.model_validate(
        {
            "temporal": {"url": "grpc://t:7233", "namespace": "n"},
            "kubernetes": {"kubeconfig": "~/.kube/config", "context": "c"},
            "workstation": {"host": "local://"},
            "absent": {"bridge": "no tunnel here"},
        }
    )
    assert section.addresses() == {
        "temporal": "grpc://t:7233/n",
        "kubernetes": "~/.kube/config c",
        "workstation": "local://",
    }
    assert section.unconfigured() == ["api", "activity"]


def test_what_observes_reads_windows_only() -> None:
    """Observations, clients and the operator read every window, and no threshold that a criterion compares with."""
    modules = [p for p in OBSERVING.rglob("*.py") if p.name not in ("limits.py", "target.py", "section.py")]
    read = {
        name for p in modules for name in re.findall(r"\blimits\.([a-z_]+)", p.read_text(encoding="utf-8"))
    }
    windows = {name for name, limit in StateHubLimits() if isinstance(limit, Window)}
    assert read == windows
