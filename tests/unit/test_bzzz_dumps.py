"""How dumps and folders are read: by a dump's two ends, by the words of programs, by what find(1) prints of a folder."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.model.observation import ErrorKind, Unobservable
from opsverify.probes.host import CommandOutput, HostReader
from systems.bzzz.backups.dumps import by_its_ends, by_its_list, damage
from systems.bzzz.backups.target import BackupsTarget

if TYPE_CHECKING:
    from opsverify.probes.host import Listing

HEAD = b"--\n-- PostgreSQL database dump\n--\n\n\\restrict k3y\n\n-- Dumped from database version 15.18 (Debian)\n"
TAIL = b"\\.\n\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict k3y\n\n"


@pytest.mark.parametrize(
    ("begin", "end", "problem"),
    [
        (HEAD, TAIL, ""),
        (HEAD, b"--\n-- PostgreSQL database dump complete\n--\n\n", ""),
        (HEAD, b"-- PostgreSQL database dump complete", ""),
        (HEAD, TAIL + b"x", "no-closing-line"),
        (HEAD, TAIL * 2, ""),
        (HEAD, TAIL[:-60], "no-closing-line"),
        (HEAD, b"", "no-closing-line"),
        (b"-- PostgreSQL database cluster dump\n", TAIL, "no-dump"),
        (b"\x1f\x8b\x08", TAIL, "no-dump"),
        (TAIL, TAIL, "no-dump"),  # of which only the end is left
        (b"", b"", "empty"),
    ],
)
def test_a_dump_is_whole_by_its_two_ends(begin: bytes, end: bytes, problem: str) -> None:
    """pg_dump's beginning and its closing line, with nothing after it but what pg_dump writes there."""
    assert by_its_ends(begin, end).problem == problem


@given(st.binary(max_size=700), st.binary(max_size=700))
def test_any_ends_are_told_and_nothing_of_them_is_shown(begin: bytes, end: bytes) -> None:
    """Whatever the bytes are they have a verdict, and only a server's version is taken from them."""
    for first in (begin, HEAD + begin):
        read = by_its_ends(first, end)
        assert (read.problem == "") is (first.startswith(HEAD) and read.told == "")
        assert len(read.version) <= len(first)
    assert by_its_ends(HEAD + begin, end + TAIL).problem == ""


@given(st.integers(min_value=1, max_value=len(TAIL) - TAIL.index(b"complete")), st.binary(max_size=20))
def test_a_closing_line_that_is_cut_never_passes(less: int, more: bytes) -> None:
    """Wherever the closing line itself is cut, whatever comes after it, the dump has no end."""
    cut = TAIL[: TAIL.index(b"complete") + len(b"complete") - 1]
    assert by_its_ends(HEAD, TAIL[:-less][: len(cut)] + more.replace(b"e", b"")).problem == "no-closing-line"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("unexpected end of file", "truncated"),
        ("gzip: short read", "truncated"),
        ("invalid compressed data--crc error", "damaged"),
        ("invalid compressed data--length error", "damaged"),
        ("gunzip: invalid magic", "damaged"),
        ("not in gzip format", "damaged"),
        ("decompression OK, trailing garbage ignored", "trailing-garbage"),
        ("Input/output error", None),
        ("", None),
    ],
)
def test_gzips_words_have_a_meaning(said: str, code: str | None) -> None:
    """What gzip says of a file is told apart; what it says of a disk is no damage of the file."""
    assert damage(said) == code


def test_a_list_of_a_custom_dump_tells_or_does_not() -> None:
    """Only a whole list without a complaint is a whole dump; other complaints tell nothing of it."""
    listed = b";\n; Archive created at 2026-01-01\n;     Dumped from database version: 15.18\n"
    whole, bad = (
        by_its_list(listed, ""),
        by_its_list(b"", "pg_restore: error: could not read from input file"),
    )
    assert whole is not None
    assert (whole.problem, whole.version) == ("", "15.18")
    assert bad is not None
    assert bad.problem == "damaged"
    assert by_its_list(listed, "pg_restore: warning: what is this") is None
    assert by_its_list(b"", "") is None


class Printed(HostReader):
    """A host whose find(1) has printed this."""

    def __init__(self, output: bytes, errors: str = "", status: int = 0) -> None:
        super().__init__(BackupsTarget(host="local://"))
        self._answer = CommandOutput(status, output, errors)

    def ask(self, *_: object, **__: object) -> CommandOutput:
        """What it has printed."""
        return self._answer


CLOCK = b"clock 1767225600.5\n"
NOW = datetime(2026, 1, 1, tzinfo=UTC).replace(microsecond=500_000)


def listed(*records: bytes, errors: str = "") -> Listing | None:
    """A folder of which find prints these records."""
    return Printed(b"".join(each + b"\0" for each in records) + CLOCK, errors).listing("/b")


def test_a_record_is_a_name_whatever_is_in_it() -> None:
    """A name with spaces, newlines or bytes that are no text is one name; what is no record is passed over."""
    found = listed(
        b"f 7 1767225600.25 a b", b"d 0 -1.5 \xff", b"f 9 1.0 a\nb", b"nonsense", b"", b"l 3 2.0 link"
    )
    assert found is not None
    assert found.at == NOW
    assert [(e.name, e.folder, e.regular, e.size) for e in found.entries] == [
        ("a b", False, True, 7),
        ("link", False, False, 3),
        ("\N{REPLACEMENT CHARACTER}", True, False, 0),
    ]


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ("find: '/b/x': No such file or directory", "seen"),
        ("find: './x': Too many levels of symbolic links", "seen"),
        ("find: File system loop detected; '/b/x' is part of the same file system loop as '/b/'.", "seen"),
        ("find: '/b/': No such file or directory", "none"),
        ("find: /b/: Not a directory", "none"),
        ("find: '/b/': Permission denied", ErrorKind.DENIED),
        ("find: '/b/x': Permission denied", ErrorKind.DENIED),
        ("find: '/b/x': Input/output error", ErrorKind.UNEXPECTED_REPLY),
        ("find: unrecognized: -printf", ErrorKind.UNEXPECTED_REPLY),
    ],
)
def test_a_complaint_of_one_name_keeps_no_other_from_being_seen(errors: str, kind: ErrorKind | str) -> None:
    """A link in a circle, or a file that went away since, is not there; the folder's own absence is told; the rest is trouble."""
    if isinstance(kind, ErrorKind):
        with pytest.raises(Unobservable) as seen:
            listed(b"f 7 1.0 a", errors=errors)
        assert seen.value.kind is kind
        return
    found = listed(b"f 7 1.0 a", errors=errors)
    assert (found is not None) is (kind == "seen")


RECORDS = st.builds(
    "{} {} {}.{} {}\0".format,
    st.sampled_from("fdlpcbs?LN"),
    st.integers(0, 10**21),
    st.integers(-(10**12), 10**12),
    st.integers(0, 10**10),
    st.text(max_size=8),
)


@given(
    st.one_of(st.binary(max_size=99), st.lists(RECORDS, max_size=9).map(lambda r: "".join(r).encode())),
    st.one_of(st.just(CLOCK), st.binary(max_size=20), st.integers().map(lambda n: f"clock {n}.0".encode())),
    st.text(max_size=40),
    st.integers(0, 255),
)
def test_whatever_is_printed_is_a_listing_or_not_seen(
    records: bytes, clock: bytes, errors: str, status: int
) -> None:
    """Any output of find and date is a folder, no folder, or an answer that is not understood."""
    for said in ("", errors):
        try:
            found = Printed(records + clock, said, status).listing("/b")
        except Unobservable:
            continue
        assert found is None or found.at.tzinfo is UTC
