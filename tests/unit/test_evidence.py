"""The journal loses nothing that was finished, and what comes from a target cannot drive a terminal."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.evidence.journal import Journal
from opsverify.evidence.redaction import MASK, Redactor
from opsverify.model.text import bounded_text, clean_text, counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTILE = st.text(
    alphabet=st.characters() | st.sampled_from("\x1b[]0m;\x07\x9b\x00\r\n\t\ud800"), max_size=80
)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal with one secret."""
    opened = Journal(tmp_path / "journal.jsonl", Redactor({"lamp.password_env": "Correct-Horse"}))
    yield opened
    opened.close()


def test_lines_are_there_as_soon_as_they_are_written(journal: Journal) -> None:
    """Each record is one line of JSON that another process can read while the journal is open."""
    for number in range(3):
        journal.write("step", name=f"line\n{number}", value={"a": [1, None, "\ud800", "\x1b"]})
        lines = journal.path.read_text(encoding="utf-8").splitlines()
        assert len(lines) == number + 1
        assert json.loads(lines[-1])["name"] == f"line\n{number}"
        assert json.loads(lines[-1])["kind"] == "step"


def test_records_are_redacted(journal: Journal) -> None:
    """A secret never reaches the file."""
    journal.write("finding", observed="it said Correct-Horse", **{"Correct-Horse": 1})
    assert "Correct-Horse" not in journal.path.read_text(encoding="utf-8")
    assert MASK in journal.path.read_text(encoding="utf-8")


def test_a_record_that_is_too_large_says_so(journal: Journal) -> None:
    """A record above the bound is replaced by one that names what was not saved."""
    journal.write("observation", name="heap", value="x" * 5_000_000)
    journal.write("observation", name="small", value="x")
    large, small = (json.loads(line) for line in journal.path.read_text(encoding="utf-8").splitlines())
    assert large["name"] == "heap"
    assert "exceed the journal's limit" in large["not_saved"]
    assert small["value"] == "x"


def test_not_a_number_is_still_json(journal: Journal) -> None:
    """NaN and the infinities are written in a form that every JSON reader takes."""
    journal.write("observation", value=[float("nan"), float("inf")])

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(journal.path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_a_full_disk_is_remembered_and_not_raised(tmp_path: Path) -> None:
    """A journal that cannot be written keeps the first trouble and lets the run go on."""
    full = tmp_path / "journal.jsonl"
    journal = Journal(full, Redactor({}))
    journal._file.close()
    journal._file = open("/dev/full", "w", encoding="utf-8")  # noqa: PTH123, SIM115 - closed by the journal
    journal.write("step", name="a")
    journal.write("step", name="b")
    journal.close()
    assert journal.trouble is not None
    assert "No space left" in journal.trouble
    assert str(full) in journal.trouble


def test_writing_after_the_end_is_remembered(journal: Journal) -> None:
    """A record that comes after the end is trouble, not a crash."""
    journal.close()
    journal.write("late")
    assert journal.trouble is not None


def test_an_older_journal_is_never_overwritten(journal: Journal) -> None:
    """A second journal at the same place is refused."""
    with pytest.raises(FileExistsError):
        Journal(journal.path, Redactor({}))


@given(HOSTILE)
def test_cleaned_text_holds_no_control_characters(text: str) -> None:
    """What is left of any text has no escape, no control character but tab and newline, and is encodable."""
    cleaned = clean_text(text)
    assert not [c for c in cleaned if unicodedata.category(c) in ("Cc", "Cs") and c not in "\t\n"]
    assert clean_text(cleaned) == cleaned
    cleaned.encode()


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("a\rb\x00c\x7fd", "abcd"),
        ("tab\tline\n", "tab\tline\n"),
        ("\x1b\x1b[0m[31mz", "[31mz"),
        ("ä→ 🚦", "ä→ 🚦"),
    ],
)
def test_terminal_sequences_go_whole(text: str, cleaned: str) -> None:
    """A terminal sequence disappears with its parameters, and ordinary text stays."""
    assert clean_text(text) == cleaned


def test_a_number_has_its_noun() -> None:
    """One is singular, any other number plural."""
    assert [counted(number, "round") for number in (0, 1, 2)] == ["0 rounds", "1 round", "2 rounds"]


@given(HOSTILE, st.integers(1, 40))
def test_bounded_text_says_how_much_it_cut(text: str, most: int) -> None:
    """A text within the bound stays; a longer one keeps its beginning and tells the number of characters
    cut.
    """
    whole, bounded = clean_text(text), bounded_text(text, most)
    if len(whole) <= most:
        assert bounded == whole
    else:
        assert bounded == f"{whole[:most]} … ({len(whole) - most} more characters)"
