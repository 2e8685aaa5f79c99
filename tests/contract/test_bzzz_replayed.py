"""Evidence that is judged again with other limits says what a live run with those limits would have said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from opsverify.servers.process import LOOPBACK, free_port
from systems.bzzz.section import BzzzSection
from tests.contract.test_replay import suite, verdicts
from tests.hostile.bzzz_watchers import of_agents, prometheus
from tests.hostile.servers import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

ENOUGH, TOO_FEW = ("UNKNOWN", "part-missing"), ("FAIL", "too-few-peers")
CHECK = ("checks/bzzz/network/test_p2p.py", "-k", "enough_peers")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a target of three agents, of which Prometheus knows two, both with three peers."""
    path = tmp_path_factory.mktemp("target") / "live.toml"
    with Stage() as stage:
        url = stage.http(prometheus({"bzzz_p2p_connected_peers": of_agents("3", "3")}))
        nodes = {
            name: {"host": LOOPBACK, "agent": f"http://{LOOPBACK}:{free_port()}", "bootstrap": free_port()}
            for name in ("walnut", "ironwood", "acacia")
        }
        absent = dict.fromkeys(set(BzzzSection.surfaces) - {"prometheus", "nodes"}, "not here")
        given: dict[str, Any] = {"prometheus": {"url": url}, "nodes": nodes, "absent": absent}
        tables = "\n".join(
            f"[bzzz.{name}]\n" + "\n".join(f"{key} = {_inline(value)}" for key, value in table.items())
            for name, table in given.items()
        )
        path.write_text(f'name = "live"\n{tables}\n', encoding="utf-8")
        yield path


def _inline(value: object) -> str:
    """A value as TOML."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_inline(inner)}' for key, inner in value.items())} }}"
    return json.dumps(value)


@pytest.mark.parametrize(
    ("recorded", "replayed"), [((3, *ENOUGH), (4, *TOO_FEW)), ((4, *TOO_FEW), (3, *ENOUGH))]
)
def test_what_is_missing_stays_missing_under_another_limit(
    live: Path, tmp_path: Path, recorded: tuple[int, str, str], replayed: tuple[int, str, str]
) -> None:
    """Live and replayed the limit decides of the agents that are known, and the one that is missing is never a pass."""
    (limit, *expected), first = recorded, tmp_path / "live"
    done = suite(first, *CHECK, "--target", str(live), "--limit", f"bzzz.peers={limit}")
    assert verdicts(first) == {"B-P2P-1": tuple(expected)}, done.stdout + done.stderr
    saved = (first / "reports" / "latest").resolve()
    (limit, *expected), second = replayed, tmp_path / "again"
    again = suite(second, *CHECK, "--replay", str(saved), "--limit", f"bzzz.peers={limit}")
    assert verdicts(second) == {"B-P2P-1": tuple(expected)}, again.stdout + again.stderr
