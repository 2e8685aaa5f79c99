"""The real command against hostile targets: exit status, a verdict for every check, time, memory, reports, terminal."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from junitparser import JUnitXml
from redis import Redis

from fixtures.esper.twin.site import EsperTwin, start_twin
from opsverify.model.observation import ErrorKind
from opsverify.servers.redis import RedisServer
from opsverify.target.file import ServersTable
from systems.esper.section import EsperSection
from systems.esper.system import ESPER
from tests.hostile.conftest import fill
from tests.hostile.looking import CHECKS, checks_of, down
from tests.hostile.resp import INFO, bulk, error, flood, pretends
from tests.hostile.running import ABSENT, Ended, run_checks
from tests.hostile.servers import (
    ESCAPES,
    EXPOSITION,
    MIB,
    TEXT,
    Play,
    bomb,
    drips,
    endless,
    http,
    nissa,
    page,
    resets,
    silent,
)
from tests.hostile.tables import case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opsverify.servers.guard import Guard
    from tests.hostile.servers import Stage

pytestmark = pytest.mark.slow

AT_ONCE = 3
DEADLINE_S = max(spec.deadline.total_seconds() for spec in ESPER.observations if spec.active is None)
FEW_SECONDS = 10.0  # start of Python, pytest and its plugins, reports, and the other runs beside it
MOST_MB = 300
SECRET, VARIABLE = "sentinel-of-a-wrong-password", "OPSVERIFY_TEST_REDIS_PASSWORD"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A run: what plays each surface (None: the real one), its exit status, why surfaces cannot be observed, and the
    verdicts that do not follow from that. All other checks pass.
    """

    status: int
    redis: Play | None = None
    nissa: Play | None = None
    down: dict[str, ErrorKind] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    login: str = ""

    def expected(self) -> dict[str, str]:
        """Verdict and reason of every check, PASS alone standing for any reason."""
        unseen = {
            check: told for surface, kind in self.down.items() for check, told in down(surface, kind).items()
        }
        absent = {check: "SKIP declared absent" for surface in ABSENT for check in checks_of(surface)}
        passing = {**dict.fromkeys(CHECKS, "PASS"), "E-OON-7": "SKIP not armed"}
        return {**passing, **unseen, **self.verdicts, **absent}


BIG = b"x" * 5 * MIB
TRAINING = [
    check
    for check in CHECKS
    if check.startswith(("E-TOL", "E-KAS", "E-TAM-2", "E-TAM-3", "E-SIM", "E-LEY", "E-REC-3", "E-REC-4"))
]
SLOW = http(drips(b'{"status": "ok", "more": "and more and more"}'))
NASTY = nissa(
    healthz=page(f"<html>{ESCAPES}</html>", kind="text/html"),
    metrics=page(f"{EXPOSITION}{ESCAPES} x\n", kind=TEXT),
    summary=page(
        {"slo": {}, "alerts": {ESCAPES: {"metric": ESCAPES, "value": 1, "routes": [f"<script>{ESCAPES}"]}}}
    ),
)
DENIED = error(f"NOPERM {ESCAPES}")
CASES = {
    "nissa never answers": Case(status=10, nissa=silent, down={"nissa": ErrorKind.SILENT}),
    "nissa drives terminals": Case(
        status=10,
        nissa=NASTY,
        verdicts={
            "E-NIS-1": "UNKNOWN unexpected-reply",
            "E-NIS-2": "FAIL not-an-exposition",
            "E-NIS-3": "FAIL alert-active",
            "E-NIS-4": "UNKNOWN unexpected-reply",
            "E-UP-3": "UNKNOWN unexpected-reply",
        },
    ),
    "nissa sends too much": Case(
        status=12,
        nissa=nissa(healthz=page(BIG), metrics=endless(b"x" * 65536), summary=bomb()),
        down={"nissa": ErrorKind.UNEXPECTED_REPLY},
    ),
    "nissa drips, redis never answers": Case(
        status=12,
        redis=silent,
        nissa=SLOW,
        down=dict.fromkeys(("redis", "nissa"), ErrorKind.OBSERVER_CUT_OFF),
    ),
    "redis resets": Case(status=10, redis=resets, down={"redis": ErrorKind.RESET}),
    "redis answers with 5 MiB": Case(
        status=12,
        redis=pretends({"PING": bulk(BIG), "INFO": DENIED}, rest=DENIED),
        down={"redis": ErrorKind.DENIED},
        verdicts=dict.fromkeys(("E-INF-1", "E-UP-2"), "UNKNOWN unexpected-reply"),
    ),
    "redis answers TYPE with 512 KiB": Case(
        status=12,
        redis=pretends({"INFO": bulk(INFO), "TYPE": bulk(BIG[: MIB // 2])}, rest=DENIED),
        down={"redis": ErrorKind.UNEXPECTED_REPLY},
        verdicts={
            "E-INF-1": "PASS",
            "E-INF-4": "UNKNOWN denied",
            "E-OON-6": "UNKNOWN denied",
            "E-NIS-3": "UNKNOWN denied",
            "E-URZ-4": "UNKNOWN denied",
            **dict.fromkeys(TRAINING, "UNKNOWN denied"),
        },
    ),
    "redis answers without end": Case(
        status=12,
        redis=pretends({"PING": flood(b"$9999999999\r\n", b"x" * 65536)}),
        down={"redis": ErrorKind.UNEXPECTED_REPLY},
    ),
    "wrong password": Case(
        status=12, nissa=nissa(), login=f'password_env = "{VARIABLE}"', down={"redis": ErrorKind.DENIED}
    ),
}
NO_BOUND = "one reply of Redis may fill all memory until the deadline (bus_client.py, connect_redis)"
ANY_TYPE = "whatever answers TYPE is taken for a type, without a bound (bus_client.py, stream)"
EACH = [case(name, id=name) for name in CASES]


def rows() -> list[object]:
    """A row per run."""
    return [case(name, id=name) for name in CASES]


@pytest.fixture(scope="module")
def twin() -> Iterator[EsperTwin]:
    """Give a whole twin, of which a hostile Redis takes the bus's place."""
    started = start_twin(EsperSection(), ServersTable(provider="embedded"))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def runs(
    stage: Stage, bus: str, twin: EsperTwin, guard: Guard, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Ended]]]:
    """Give every run, a few of them at once."""
    protected = RedisServer.start(origins=["local", "wheel"], guard=guard)
    fill(protected.url)
    with Redis.from_url(protected.url) as redis:
        redis.config_set("requirepass", "the right password")
    folder = tmp_path_factory.mktemp("runs")
    assert twin.section.nissa is not None
    real_nissa = twin.section.nissa.url

    def start(number: int, given: Case) -> Ended:
        redis = stage.redis(given.redis) if given.redis else (protected.url if given.login else bus)
        address = stage.http(given.nissa) if given.nissa else real_nissa
        return run_checks(
            folder / str(number), redis, address, login=given.login, environment={VARIABLE: SECRET}
        )

    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(start, number, given) for number, (name, given) in enumerate(CASES.items())}
    protected.stop()


@pytest.mark.parametrize("name", rows())
def test_every_check_has_its_verdict(runs: dict[str, Future[Ended]], name: str) -> None:
    """Every check has a verdict with the true reason, and the exit status is that of the gate."""
    ended = runs[name].result()
    expected = CASES[name].expected()
    seen = {
        check: "PASS" if expected.get(check) == told.split()[0] else told
        for check, told in ended.verdicts.items()
    }
    assert seen == expected, ended.printed.decode(errors="replace")
    assert ended.status == CASES[name].status == ended.report["exit_status"]


@pytest.mark.parametrize("name", EACH)
def test_it_ends_in_time(runs: dict[str, Future[Ended]], name: str) -> None:
    """A run ends within its longest deadline and a few seconds for itself."""
    ended = runs[name].result()
    crowded = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert ended.took < DEADLINE_S + FEW_SECONDS * crowded
    assert ended.report["took"] < DEADLINE_S + FEW_SECONDS * crowded / 2


@pytest.mark.parametrize("name", rows())
def test_its_memory_is_bounded(runs: dict[str, Future[Ended]], name: str) -> None:
    """However much a target sends, the runner's memory stays bounded."""
    assert 0 < runs[name].result().peak_mb < MOST_MB


class _Structure(HTMLParser):
    """Counts the elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Count it."""
        self.tags[tag] = self.tags.get(tag, 0) + 1


@pytest.mark.parametrize("name", EACH)
def test_its_reports_can_be_read(runs: dict[str, Future[Ended]], name: str) -> None:
    """JSON, JUnit and HTML are there, parse, agree on the number of checks, and hold no markup of a target."""
    ended = runs[name].result()
    suites = JUnitXml.fromfile(str(ended.folder / "junit.xml"))
    assert suites.tests == len(CHECKS)
    assert (suites.failures + suites.errors) == sum(
        v.startswith(("FAIL", "UNKNOWN")) for v in ended.verdicts.values()
    )
    page = (ended.folder / "report.html").read_text(encoding="utf-8")
    structure = _Structure()
    structure.feed(page)
    assert structure.tags.get("article", 0) == suites.failures + suites.errors
    assert f"<script>{ESCAPES[:1]}" not in page


@pytest.mark.parametrize("name", EACH)
def test_nothing_hostile_leaves_it(runs: dict[str, Future[Ended]], name: str) -> None:
    """No escape sequence and no secret reaches the terminal or a report."""
    ended = runs[name].result()
    texts = {
        "terminal": ended.printed,
        **{p.name: p.read_bytes() for p in ended.folder.iterdir() if p.is_file()},
    }
    assert {
        where
        for where, text in texts.items()
        if b"\x1b" in text or b"\x9b" in text.replace("\u249b".encode(), b"")
    } == set()
    assert {where for where, text in texts.items() if SECRET.encode() in text} == set()
    assert set(texts) >= {"terminal", "journal.jsonl", "report.json", "report.html", "junit.xml"}


@pytest.mark.parametrize("name", EACH)
def test_trouble_of_a_target_is_not_trouble_of_the_run(runs: dict[str, Future[Ended]], name: str) -> None:
    """Whatever a target does, the run itself reports no problem and no broken check."""
    report = runs[name].result().report
    assert [told for told in report["problems"] if not told.startswith("observer cut off")] == []
    assert {
        check["id"] for check in report["checks"] if check["reason"] == "check-broken" or check["detail"]
    } == set()
