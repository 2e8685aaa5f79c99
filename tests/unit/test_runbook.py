"""The map between a runbook and the checks is read strictly and compared with both."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsverify.commands import required
from opsverify.model.check import Check
from opsverify.model.verdict import Severity
from opsverify.target.runbook import (
    Procedure,
    Runbook,
    RunbookError,
    compare_with_file,
    contradictions,
    digest,
    load_runbook,
    runbooks_beside,
    titles,
)

TEXT = """# Lamp
text
## 1. Bulb\x20\x20
```sh
# not a title
## nor this
```
####### seven is no title
#no space
  ```
# in an indented block
  ```
### The *switch* #2
"""
REAL = ["Lamp", "1. Bulb", "The *switch* #2"]
MAP = Runbook(
    title="Lamp",
    digest=digest(TEXT),
    required={"smoke": ("L-BLB-1",)},
    procedure=tuple(Procedure(section=s) for s in REAL),
)


def check(check_id: str, *profiles: str) -> Check:
    """A check of these profiles."""
    return Check(
        id=check_id,
        row=check_id,
        severity=Severity.P1,
        profiles=frozenset(profiles),
        system="lamp",
        subsystem="bulb",
        name="",
        promise="",
        nodeid="",
        function=check,
    )


def test_titles_leave_code_out() -> None:
    """Comments in code blocks are no section titles."""
    assert titles(TEXT) == REAL


def test_a_fence_that_never_closes_hides_no_title_before_it() -> None:
    """An unfinished code block leaves the titles before it."""
    assert titles("# One\n```\n# two\n")[0] == "One"


@pytest.mark.parametrize("fence", ["~~~", "````"])
def test_titles_leave_every_kind_of_fence_out(fence: str) -> None:
    """Blocks fenced with tildes, or with four backticks around three, are code too."""
    assert titles(f"# One\n{fence}\n```\n# two\n{fence}\n# Three\n") == ["One", "Three"]


def test_markers_and_map_are_compared_both_ways() -> None:
    """A profile that only the marker or only the map has is a contradiction; a check of another map is
    mapped for none.
    """
    assert contradictions(MAP, [check("L-BLB-1", "smoke")]) == []
    assert contradictions(MAP, [check("L-BLB-1", "smoke", "canary")]) == [
        "L-BLB-1: marked for ['canary', 'smoke'], required by ['smoke']"
    ]
    assert contradictions(MAP, [check("L-BLB-1", "canary")]) == [
        "L-BLB-1: marked for ['canary'], required by ['smoke']"
    ]
    assert contradictions(MAP, [check("L-BLB-9", "smoke")]) == [
        "L-BLB-9: marked for ['smoke'], required by []"
    ]


def test_a_runbook_is_compared_with_its_map(tmp_path: Path) -> None:
    """The same text agrees; a section gone, a new section and another text are told."""
    file = tmp_path / "lamp.md"
    file.write_text(TEXT, encoding="utf-8")
    assert compare_with_file(MAP, file) == []
    file.write_text(TEXT.replace("## 1. Bulb", "## 1. Bulbs"), encoding="utf-8")
    gone, new, other = compare_with_file(MAP, file)
    assert gone.startswith("section '1. Bulb' of the map is not in")
    assert new.startswith("section '1. Bulbs'")
    assert "another text" in other


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title = ", "runbook.toml"),
        ('title = "a"\ndigest = ""\n', "required"),
        ('title = "a"\ndigest = ""\n[required]\nsmok = []\n', r"\['smok'\] are no profiles"),
        ('title = "a"\ndigest = ""\nrequred = 1\n[required]\n', "requred"),
    ],
)
def test_a_bad_map_is_refused(text: str, told: str, tmp_path: Path) -> None:
    """A map that is no TOML, lacks a key or names no profile is refused with its path."""
    file = tmp_path / "runbook.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RunbookError, match=told) as caught:
        load_runbook(file)
    assert str(file) in str(caught.value)


def test_a_missing_map_is_refused(tmp_path: Path) -> None:
    """A map that is not there is refused."""
    with pytest.raises(RunbookError, match="No such file"):
        load_runbook(tmp_path / "runbook.toml")


def test_every_map_of_the_suite_is_readable() -> None:
    """The maps beside the checks are good, and known() names everything that they require."""
    maps = sorted((Path(__file__).parents[2] / "checks").glob("*/runbook.toml"))
    assert maps
    for each in maps:
        book = load_runbook(each)
        assert book.known() == {i for ids in book.required.values() for i in ids}


def test_a_section_of_a_check_that_is_gone_is_refused(tmp_path: Path) -> None:
    """Who deletes a check and writes the required list anew still has the runbook's section against them."""
    file = tmp_path / "runbook.toml"
    file.write_text(
        'title = "a"\ndigest = ""\n[[procedure]]\nsection = "s"\nchecks = ["L-BLB-1"]\n', encoding="utf-8"
    )
    (tmp_path / "required.toml").write_text('smoke = ["L-BLB-2"]\n', encoding="utf-8")
    with pytest.raises(RunbookError, match="L-BLB-1, which no profile requires"):
        load_runbook(file)


def test_a_required_list_without_its_map_is_refused(tmp_path: Path) -> None:
    """Deleting the map does not switch off what the list beside it requires."""
    (tmp_path / "lamp").mkdir()
    (tmp_path / "lamp" / "required.toml").write_text('smoke = ["L-BLB-1"]\n', encoding="utf-8")
    with pytest.raises(pytest.UsageError, match=r"runbook\.toml"):
        runbooks_beside(tmp_path, ["lamp"])
    assert runbooks_beside(tmp_path, ["another"]) == {}


def test_the_required_list_says_what_it_gains_and_loses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command tells each check that a profile no longer requires; a folder that is none ends it with a sentence."""
    folder = tmp_path / "checks_of_lamp"
    folder.mkdir()
    (folder / "required.toml").write_text('smoke = ["L-BLB-9"]\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["required", "checks_of_lamp"])
    required.main()
    assert "smoke: no longer required: L-BLB-9" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["required", "nowhere"])
    with pytest.raises(SystemExit, match="nowhere: no folder of checks"):
        required.main()
