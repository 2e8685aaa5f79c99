"""After an incident, as its user does it: what is tied to the alert, what changed, what is kept, what is asked of it."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

from tests.contract.engine.project import Project, Ran

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INCIDENT = ("--incident", "LampDark", "--target", "live")
SECRET = "Sup3r-dark-secret"


def _another_profile(project: Project) -> Ran:
    return project.run("--profile", "smoke", *INCIDENT)


def _unknown_alert(project: Project) -> Ran:
    return project.run("--incident", "LampDarc", "--target", "live")


def _since_green(project: Project) -> Ran:
    assert project.run("--profile", "incident", "--target", "live").code == 0
    project.answer("bulb", value=3, identity="serial 2")
    return project.run(*INCIDENT, "--baseline", "last-green", "--bundle", "evidence.tar.gz")


def _replayed(project: Project) -> Ran:
    project.answer("bulb", value=3)
    first = project.run(*INCIDENT, "--bundle", "evidence.tar.gz")
    assert first.code == 10
    elsewhere = project.folder / "elsewhere" / "post-mortem.tar.gz"
    elsewhere.parent.mkdir()
    (project.folder / "evidence.tar.gz").rename(elsewhere)
    project.answer("bulb", value=100)
    again = project.run("--replay", str(elsewhere))
    assert (again.code, again.verdicts()) == (10, first.verdicts())
    return project.run("--replay", str(elsewhere), "--limit", "lamp.brightness=2")


def _with_a_secret(project: Project) -> Ran:
    project.target(
        'name = "porch"\n[lamp]\npassword_env = "LAMP_PASSWORD"\nbulb = "bulb.json"\nswitch = "switch.json"\n'
    )
    project.answer("bulb", value=f"no light, {SECRET}")
    return project.run(*INCIDENT, "--bundle", "evidence.tar.gz", env={"LAMP_PASSWORD": SECRET})


def _bundle(content: bytes) -> Callable[[Project], Ran]:
    def act(project: Project) -> Ran:
        (project.folder / "evidence.tar.gz").write_bytes(content)
        return project.run("--replay", "evidence.tar.gz")

    return act


def _changed_bundle(project: Project) -> Ran:
    project.run(*INCIDENT, "--bundle", "evidence.tar.gz")
    path = project.folder / "evidence.tar.gz"
    members = _members(path)
    members["journal.jsonl"] += b"\n"
    with tarfile.open(path, "w:gz") as archive:
        for name, body in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return project.run("--replay", "evidence.tar.gz")


def _members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {m.name: file.read() for m in archive if (file := archive.extractfile(m)) is not None}


def _expecting(*words: str, **bulb: Any) -> Callable[[Project], Ran]:
    def act(project: Project) -> Ran:
        project.answer("bulb", **{"value": 100, **bulb})
        options = [option for word in words for option in ("--expect", word)]
        return project.run("--profile", "smoke", "--target", "live", *options)

    return act


def _broken_map(project: Project) -> Ran:
    project.write("checks/lamp/runbook.toml", "title = 3\n")
    return project.run("--runbook")


RUNS: dict[str, Callable[[Project], Ran]] = {
    "tied": lambda p: p.run(*INCIDENT),
    "another profile": _another_profile,
    "unknown alert": _unknown_alert,
    "since green": _since_green,
    "never green": lambda p: p.run(*INCIDENT, "--baseline", "last-green"),
    "no such baseline": lambda p: p.run(*INCIDENT, "--baseline", "nowhere"),
    "replayed": _replayed,
    "with a secret": _with_a_secret,
    "bundle: no archive": _bundle(b"not an archive"),
    "bundle: cut": _bundle(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xed\xc1\x01"),
    "bundle: changed": _changed_bundle,
    "bundle: nowhere": lambda p: p.run(*INCIDENT, "--bundle", "no-folder/evidence.tar.gz"),
    "bundle: no tar.gz": lambda p: p.run(*INCIDENT, "--bundle", "evidence.zip"),
    "expected": _expecting("lamp.bulb=2", identity="serial 2"),
    "another": _expecting("lamp.bulb=3", identity="serial 2"),
    "not seen": _expecting("lamp.bulb=3", **{"raise": "denied"}),
    "no such surface": _expecting("lamp.bulp=3"),
    "no word": _expecting("lamp.bulb"),
    "runbook": lambda p: p.run("--runbook"),
    "broken map": _broken_map,
    "explain": lambda p: p.run("--explain", "L-BLB-1"),
    "explain nothing": lambda p: p.run("--explain", "L-BLB-11"),
}

_Left = "Callable[[str], Ran]"


def test_an_incident_takes_what_is_tied_to_it(left_by: Callable[[str], Ran]) -> None:
    """The alert's checks run, before them the P0 checks of their surfaces, after them what their next steps name; the
    rest of the profile is not missed.
    """
    ran = left_by("tied")
    assert ran.code == 0
    assert [c["id"] for c in ran.report["checks"]] == ["L-BLB-3", "L-BLB-1", "L-SWI-1"]
    assert ran.report["incident"] == {
        "alert": "LampDark",
        "dependencies": ["L-BLB-3"],
        "tied": ["L-BLB-1"],
        "named": ["L-SWI-1"],
    }
    assert ran.report["profile"] == "incident"
    assert ran.report["not_looked_at"] == []


def test_an_unknown_alert_is_told(left_by: Callable[[str], Ran]) -> None:
    """An alert that no check is tied to, and another profile, are refused with what there is: exit 4."""
    assert left_by("unknown alert").code == 4
    assert (
        "no check is tied to this alert (did you mean 'LampDark'?); alerts are LampDark"
        in left_by("unknown alert").said
    )
    assert left_by("another profile").code == 4
    assert "--incident needs profile incident, not smoke" in left_by("another profile").said


def test_the_last_green_run_is_compared_with(left_by: Callable[[str], Ran]) -> None:
    """What changed since the last green run, and nothing else, is in terminal, Markdown, HTML and JSON."""
    ran = left_by("since green")
    assert ran.code == 10
    told = {(c["about"], c["where"]): (c["before"], c["now"]) for c in ran.report["comparison"]["changes"]}
    assert told == {
        ("verdict", "L-BLB-1"): ("PASS 100.0", "FAIL 3.0"),
        ("identity", "lamp.bulb"): ("serial 1", "serial 2"),
        ("value", "brightness.value"): ("100.0", "3.0"),
    }
    assert "identity lamp.bulb: serial 1 → serial 2" in ran.stdout
    assert "lamp.bulb: serial 1 → **serial 2**" in (ran.folder / "summary.md").read_text(encoding="utf-8")
    assert "What changed since" in ran.html


def test_without_a_green_run_nothing_is_compared(left_by: Callable[[str], Ran]) -> None:
    """In the middle of an incident a missing baseline is a warning; a path that is none is exit 4."""
    assert left_by("never green").code == 0
    assert "holds no green run of this target; nothing was compared" in left_by("never green").said
    assert left_by("no such baseline").code == 4
    assert "give last-green, the folder of a run, or its bundle" in left_by("no such baseline").said


def test_a_bundle_has_everything(left_by: Callable[[str], Ran]) -> None:
    """One archive holds journal, reports, versions, target and checksums, and is named at the end."""
    ran = left_by("since green")
    path = ran.folder.parent.parent / "evidence.tar.gz"
    members = _members(path)
    assert set(members) == {
        "journal.jsonl",
        "report.html",
        "junit.xml",
        "report.json",
        "summary.md",
        "versions.txt",
        "target.json",
        "SHA256SUMS",
    }
    assert members["journal.jsonl"] == (ran.folder / "journal.jsonl").read_bytes()
    assert b"pytest==" in members["versions.txt"]
    assert len(members["SHA256SUMS"].splitlines()) == 7
    assert f"bundle   {path}" in ran.stdout


def test_a_bundle_is_judged_again_elsewhere(left_by: Callable[[str], Ran]) -> None:
    """A bundle alone gives the same verdicts on another day, and others with another limit; it is the same incident."""
    ran = left_by("replayed")
    assert ran.code == 0
    assert ran.report["kind"] == "replay"
    assert ran.report["incident"]["alert"] == "LampDark"


def test_a_bundle_holds_no_secret(left_by: Callable[[str], Ran]) -> None:
    """No member of a bundle holds a secret of the target."""
    ran = left_by("with a secret")
    members = _members(ran.folder.parent.parent / "evidence.tar.gz")
    assert ran.code == 10
    assert [name for name, body in members.items() if SECRET.encode() in body] == []
    assert b"[redacted]" in members["journal.jsonl"]


def test_a_bad_bundle_is_told(left_by: Callable[[str], Ran]) -> None:
    """What is no archive, is cut, or was changed after it was packed is refused: exit 4."""
    for name in ("bundle: no archive", "bundle: cut"):
        assert left_by(name).code == 4, name
        assert "cannot be read as a bundle" in left_by(name).said, name
    assert left_by("bundle: changed").code == 4
    assert "journal.jsonl was changed after it was packed" in left_by("bundle: changed").said


def test_a_bundle_that_cannot_be_written_is_told_first(left_by: Callable[[str], Ran]) -> None:
    """A place where no archive can be written is exit 4, before anything is looked at."""
    for name in ("bundle: nowhere", "bundle: no tar.gz"):
        ran = left_by(name)
        assert ran.code == 4, name
        assert "--bundle" in ran.said, name
        assert not [r for r in ran.journal if r["kind"] == "observation"], name


def test_what_was_deployed_is_expected(left_by: Callable[[str], Ran]) -> None:
    """The expected word passes, another is a P0 FAIL, and what cannot be seen is UNKNOWN."""
    assert (left_by("expected").code, left_by("expected").verdicts()["expect:lamp.bulb=2"]) == (0, "PASS")
    other = left_by("another")
    assert other.code == 10
    found = other.check("expect:lamp.bulb=3")
    assert (found["verdict"], found["severity"], found["reason"]) == ("FAIL", "P0", "another-version")
    assert found["findings"][0]["observed"] == "serial 2"
    assert found["again"].endswith("--expect lamp.bulb=3")
    assert other.cases["expect:lamp.bulb=3"].outcome == "failure"
    assert left_by("not seen").check("expect:lamp.bulb=3")["verdict"] == "UNKNOWN"
    assert left_by("not seen").code == 12


def test_an_expectation_of_nothing_is_told(left_by: Callable[[str], Ran]) -> None:
    """A surface whose identity nobody observes, or no word, is exit 4 with what is observed."""
    for name in ("no such surface", "no word"):
        assert left_by(name).code == 4, name
        assert "identities are observed of lamp.bulb" in left_by(name).said, name


def test_the_runbook_is_listed(left_by: Callable[[str], Ran]) -> None:
    """Each procedure is listed with its checks, severities and what each needs, or why nothing verifies it."""
    ran = left_by("runbook")
    assert ran.code == 0
    assert "lamp: Lamp Runbook" in ran.stdout
    assert "L-BLB-1   P1  the bulb shines  [needs lamp.bulb; canary incident smoke]" in ran.stdout
    assert "needs lamp.switch, the action 'press' armed" in ran.stdout
    assert "needs a twin of its own, which it breaks and repairs" in ran.stdout
    assert "not verified: a matter of taste" in ran.stdout
    assert left_by("broken map").code == 4


def test_a_check_is_explained(left_by: Callable[[str], Ran]) -> None:
    """A check's promise, source, faults and next step are told; nothing is looked at, and no folder is left."""
    ran = left_by("explain")
    assert ran.code == 0
    assert "promise   The bulb is bright enough." in ran.stdout
    assert "source    checks/lamp/test_bulb.py:" in ran.stdout
    assert "faults    dark turns it FAIL (too-dark): The bulb gives no light." in ran.stdout
    assert "next      screw in another bulb" in ran.stdout
    assert not list(ran.folder.glob("**/*"))


def test_an_unknown_check_is_told(left_by: Callable[[str], Ran]) -> None:
    """A check that does not exist is exit 4 with the nearest one."""
    assert left_by("explain nothing").code == 4
    assert "no such check (did you mean 'L-BLB-1'?)" in left_by("explain nothing").said
