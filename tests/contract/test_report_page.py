"""The HTML report in a real browser: without a script, on a phone, in the dark, for everybody, and large."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from opsverify.evidence.redaction import Redactor
from opsverify.model.verdict import Finding, Severity, Verdict
from opsverify.report.html import render_html
from opsverify.report.model import (
    CanarySummary,
    Change,
    CheckResult,
    CheckState,
    Comparison,
    Moment,
    NotLookedAt,
    RunReport,
    Step,
    SubsystemRate,
    Surface,
    Tied,
    Trend,
)
from tests.contract.engine.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
APPENDIX = "<!DOCTYPE html><html><body><p id='inner'>a table</p><script>document.body.dataset.ran='yes'</script></body></html>"


def _check(number: int, verdict: Verdict, text: str = "12 entries") -> CheckResult:
    finding = Finding(
        holds=verdict is Verdict.PASS,
        reason="a-reason",
        expected="below 4000 entries",
        observed=text,
        details=tuple(f"{text} of group {n}" for n in range(3)),
        limits=("normal_depth = 4000 entries (runbook 3.2)",),
    )
    judged = verdict in (Verdict.PASS, Verdict.FAIL)
    return CheckResult(
        id=f"X-ROW-{number}",
        row=f"X-ROW-{number}",
        name="queue depth of the normal stream",
        promise="The normal stream is not in its reroute band.",
        system="one" if number % 2 else "two",
        subsystem=f"part{number % 7}",
        severity=list(Severity)[number % 4],
        verdict=verdict,
        reason="a-reason",
        explanation="" if judged else f"not seen: {text}",
        gated=number % 4 < 2,
        findings=(finding,) if judged else (),
        source=("XLEN a.stream", "XINFO GROUPS a.stream"),
        backend="live redis://redis.example.net:6379/0",
        identity="redis 7.2.4 run_id dc16c9dc861e",
        observed_at=NOW,
        runbook='5 "Oona Queue Depth Spike"',
        next_step="ease the publishers, let the consumers drain",
        again="pytest checks/one/test_part.py --target live.toml -k test_queue_depth_of_the_normal_stream",
        nodeid=f"test_x.py::test_{number}",
    )


def _report(checks: list[CheckResult], *, status: int) -> RunReport:
    meaning = "a gated check FAILs" if status else "the gate holds"
    return RunReport(
        run_id="ab12cd34",
        opsverify_version="0.1.0",
        target="porch",
        target_file="live.toml",
        kind="live",
        profile="incident",
        gate=Severity.P1,
        started=NOW,
        finished=NOW + timedelta(seconds=4),
        took=4.0,
        exit_status=status,
        exit_meaning=meaning,
        headline=meaning,
        counts={v: n for v in Verdict if (n := sum(c.verdict is v for c in checks))},
        surfaces=(Surface(system="one", surface="redis", backend="live redis://x", identity="redis 7.2.4"),),
        contact="the on-call of the day",
        checks=tuple(checks),
    )


def _canary(text: str) -> CanarySummary:
    """Of two checks in trouble, one of them overdue, one that has just come up, and the rest UP."""
    ago = timedelta(hours=5)
    late = {"red_since": NOW - ago, "overdue_since": NOW - timedelta(hours=3)}
    stood = [
        ("DOWN", None, late),
        ("NO DATA", "UP", {}),
        ("FLAPPING", None, {}),
        ("NEW", None, {}),
        ("UP", "DOWN", {}),
    ]
    stood += [("UP", None, {})] * 7
    rates = [
        SubsystemRate(
            system="one", subsystem=text if part else "part0", window=window, passed=97, failed=3 * part,
            unknown=2, success=success, budget_left=left,
        )
        for part in (0, 1)
        for window, success, left in (("1 h", None, None), ("24 h", 1 - 0.03 * part, 1 - 3.0 * part), ("30 d", 1.0, 1.0))
    ]  # fmt: skip
    return CanarySummary(
        history=f"/var/lib/{text}",
        last_run=NOW - timedelta(minutes=5),
        states=tuple(
            CheckState(check=f"X-ROW-{n}", state=state, was=was, since=NOW - ago, recent="PPFFF", **more)
            for n, (state, was, more) in enumerate(stood)
        ),
        rates=tuple(rates),
    )


def _red(text: str = "4516 entries") -> RunReport:
    checks = [
        _check(n, v, text)
        for n, v in enumerate(
            [Verdict.FAIL, Verdict.UNKNOWN, Verdict.WAIVED, Verdict.SKIP] + [Verdict.PASS] * 8
        )
    ]
    steps = [
        Step(phase="steady state", title=text, after=0, took=1.5, bound=30, outcome="done"),
        Step(phase="fault", title="redis-killed", after=1.5, took=0.1, outcome=text),
        Step(phase="recover", title="start it again", after=1.6, took=4, bound=10, outcome="done"),
    ]
    checks[5] = checks[5].model_copy(update={"timeline": tuple(steps)})
    moments = [Moment(at=NOW - timedelta(minutes=5 * n), verdict=v) for n, v in enumerate(Verdict)]
    return _report(checks, status=10).model_copy(
        update={
            "problems": (f"a problem of the run: {text}",),
            "warnings": (f"a warning: {text}",),
            "not_looked_at": (NotLookedAt(id="X-ROW-90", reason=f"declared absent: {text}"),),
            "incident": Tied(
                alert="QueueDeep", dependencies=("X-ROW-4",), tied=("X-ROW-0",), named=("X-ROW-99",)
            ),
            "trends": (
                Trend(id="X-ROW-0", moments=tuple(moments)),
                Trend(id="X-ROW-6", moments=tuple(moments)),
            ),
            "canary": _canary(text),
            "comparison": Comparison(
                run_id="ef56",
                finished=NOW,
                folder="reports/20261120T030000Z-ef56",
                changes=(Change(about="identity", where="one.redis", before=text, now="redis 7.2.5"),),
            ),
        }
    )


def _green() -> RunReport:
    return _report([_check(n, Verdict.PASS) for n in range(8)], status=0)


PAGES = {"red": _red, "green": _green}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless. Where there is none the tests skip, and in CI they fail."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        told = "no Chromium here: apt-get install chromium"
        pytest.fail(told) if os.environ.get("CI") == "true" else pytest.skip(told)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=30_000)
        yield browser
        browser.close()


def _opened(browser: Browser, path: Path, html: str, **context: Any) -> Page:
    path.write_text(html, encoding="utf-8")
    page = browser.new_context(**context).new_page()
    page.set_default_timeout(20_000)
    page.goto(path.as_uri())
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(
    name: str, width: int, scheme: Any, browser: Browser, tmp_path: Path
) -> None:
    """Everybody can read the page: wide and narrow, light and dark, with everything unfolded."""
    html = render_html(PAGES[name](), Redactor({}))
    page = _opened(
        browser, tmp_path / "r.html", html, viewport={"width": width, "height": 800}, color_scheme=scheme
    )
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = Axe().run(page).response["violations"]
    page.context.close()
    assert [(v["id"], v["nodes"][0]["html"]) for v in found if v["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("name", PAGES)
def test_it_fits_on_a_phone_without_a_script(name: str, browser: Browser, tmp_path: Path) -> None:
    """Without JavaScript, 390 pixels wide, nothing sticks out, and the verdict is on the first screen."""
    size = {"width": 390, "height": 844}
    html = render_html(PAGES[name](), Redactor({}))
    page = _opened(browser, tmp_path / "r.html", html, viewport=size, java_script_enabled=False)
    heading, article = page.locator("h1").bounding_box(), page.locator("main").bounding_box()
    page.context.close()
    assert heading
    assert heading["y"] + heading["height"] < size["height"]
    assert article
    assert article["width"] <= size["width"]
    assert "<script" not in html


def test_nothing_sticks_out(browser: Browser, tmp_path: Path) -> None:
    """Also a word without an end does not make the page wider than the phone."""
    html = render_html(_red("x" * 3000), Redactor({}))
    page = _opened(browser, tmp_path / "r.html", html, viewport={"width": 390, "height": 844})
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()


def test_what_is_overdue_is_on_the_first_screen(browser: Browser, tmp_path: Path) -> None:
    """Which check is overdue and whom to escalate to stand above everything else, also on a phone."""
    page = _opened(
        browser,
        tmp_path / "r.html",
        render_html(_red(), Redactor({})),
        viewport={"width": 390, "height": 844},
    )
    told = page.locator("header")
    assert "X-ROW-0 OVERDUE resolution was due by 2026-11-21 00:00 UTC (P0: within 2 h)" in told.inner_text()
    assert "escalate to the on-call of the day" in told.inner_text()
    box = told.bounding_box()
    assert box
    assert box["y"] + box["height"] < 844
    page.context.close()


def test_how_it_stands_over_many_runs(browser: Browser, tmp_path: Path) -> None:
    """Only what is in trouble or has just come up is listed, each subsystem has its success and budget over each window."""
    page = _opened(browser, tmp_path / "r.html", render_html(_red("part1"), Redactor({})))
    section = page.locator("section", has=page.get_by_role("heading", name="State over the canary's runs"))
    assert [i.inner_text().split(" since")[0] for i in section.locator("li").all()] == [
        "X-ROW-0 DOWN",
        "X-ROW-1 NO DATA",
        "X-ROW-2 FLAPPING",
        "X-ROW-4 UP",
    ]
    rows = [" ".join(row.inner_text().split()) for row in section.locator("tbody tr").all()]
    assert rows == [
        "one · part0 no data 100.00 % 100 % left 100.00 % 100 % left",
        "one · part1 no data 97.00 % exhausted 100.00 % 100 % left",
    ]
    page.context.close()


def test_worst_first_with_why(browser: Browser, tmp_path: Path) -> None:
    """The first screen names the verdict and its reasons; a link leads to the card with expected and observed."""
    page = _opened(browser, tmp_path / "r.html", render_html(_red(), Redactor({})))
    header = page.locator("header").inner_text()
    assert "Exit 10: a gated check FAILs" in header
    assert "FAIL P0 X-ROW-0" in header
    assert "4516 entries" in header
    cards = page.locator("article h3").all_inner_texts()
    assert [c.split()[0] for c in cards] == ["FAIL", "UNKNOWN", "WAIVED"]
    page.locator("header a").first.click()
    card = page.locator("#X-ROW-0").inner_text()
    assert "below 4000 entries" in card
    assert "ease the publishers" in card
    assert page.locator("svg.trend").count() == 2
    assert page.locator(".drill svg").count() == 3
    page.context.close()


def test_a_hostile_value_is_text(browser: Browser, tmp_path: Path) -> None:
    """Markup in anything that a target says is shown as text and never runs."""
    page = _opened(browser, tmp_path / "r.html", render_html(_red(HOSTILE), Redactor({})))
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.title() != "owned"
    assert page.locator("img").count() == 0
    assert "<script>document.title" in page.locator("#X-ROW-0").inner_text()
    page.context.close()


def test_the_appendix_is_read_when_it_is_opened(browser: Browser, tmp_path: Path) -> None:
    """pytest-html's page lies folded in a frame of its own; opened, its script runs there."""
    page = _opened(browser, tmp_path / "r.html", render_html(_green(), Redactor({}), appendix=APPENDIX))
    assert page.title().startswith("OK")
    page.locator(".appendix summary").click()
    page.frame_locator("iframe").locator("body[data-ran=yes] #inner").wait_for()
    page.context.close()


def test_pytest_htmls_own_table_works_in_its_frame(browser: Browser, tmp_path: Path) -> None:
    """In the page of a real run pytest-html's table has its rows, and its filter works."""
    ran = Project.make(tmp_path / "lamp").run("--profile", "smoke", "--target", "live")
    page = browser.new_context().new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto((ran.folder / "report.html").as_uri())
    page.locator(".appendix summary").click()
    rows = page.frame_locator("iframe").locator("#results-table tbody:not(.hidden)")
    rows.nth(2).wait_for(timeout=10_000)
    page.frame_locator("iframe").locator("input[data-test-result=passed]").click()
    rows.nth(1).wait_for(state="detached", timeout=10_000)
    assert troubles == []
    page.context.close()


def test_print_shows_what_is_folded_by_subsystem(browser: Browser, tmp_path: Path) -> None:
    """On paper the checks of each subsystem are there, folded or not."""
    many = _report([_check(n, Verdict.PASS) for n in range(40)], status=0)
    page = _opened(browser, tmp_path / "r.html", render_html(many, Redactor({})))
    line = page.locator("#X-ROW-7 .seen").first
    assert not line.is_visible()
    page.emulate_media(media="print")
    assert line.is_visible()
    page.context.close()


def _seconds_to_open(browser: Browser, path: Path, html: str) -> float:
    page = _opened(browser, path, html, viewport={"width": 1280, "height": 800})
    took = page.evaluate(
        """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(
            () => done(performance.now() / 1000))))"""
    )
    page.context.close()
    return float(took)


def test_5000_checks_open_in_under_two_seconds(browser: Browser, tmp_path: Path) -> None:
    """A page of 5,000 checks with a history, 500 of them red, is painted within 2 s, or as soon as six bare tables of as
    many rows.
    """
    checks = [_check(n, Verdict.PASS if n % 10 else Verdict.FAIL) for n in range(5000)]
    appendix = APPENDIX + "<p>as much as pytest-html writes of them</p>" * 100_000
    moments = tuple(Moment(at=NOW, verdict=Verdict.FAIL if n % 4 else Verdict.PASS) for n in range(30))
    states = tuple(CheckState(check=c.id, state="UP", since=NOW, recent="PFPFPFPFPF") for c in checks)
    report = _report(checks, status=10).model_copy(
        update={
            "trends": tuple(Trend(id=c.id, moments=moments) for c in checks),
            "canary": CanarySummary(history="history.sqlite", states=states),
        }
    )
    ours = render_html(report, Redactor({}), appendix=appendix)
    row = "<tr><td>X-ROW-1</td><td>queue depth</td><td>below 4000 entries</td><td>12 entries</td></tr>"
    bare = f"<!DOCTYPE html><table>{row * 5000}</table>"
    measure = _seconds_to_open(browser, tmp_path / "bare.html", bare)
    took = min(_seconds_to_open(browser, tmp_path / "r.html", ours) for _ in range(2))
    assert took < max(2.0, 6 * measure), (took, measure)
