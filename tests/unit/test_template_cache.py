"""The page's compiled template is kept where Python keeps compiled modules, and never stands in the way of a page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import jinja2
import pytest

from opsverify.evidence.redaction import Redactor
from opsverify.report import html
from tests.unit.reports import report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for compiled code that is this test's own, and no template in memory."""
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "compiled"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    html._page.cache_clear()
    yield tmp_path / "compiled"
    html._page.cache_clear()


def page() -> str:
    """The page of a run of no check, as a new process would make it."""
    html._page.cache_clear()
    return html.render_html(report(), Redactor({}))


def kept(place: Path) -> list[Path]:
    """The files that are there."""
    return [path for path in place.rglob("*") if path.is_file()]


def refuse(*_: Any, **__: Any) -> Any:
    """What compiles no template."""
    pytest.fail("the template was compiled again")


def test_the_next_run_compiles_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first page leaves the compiled template, and the next one is made with it."""
    first = page()
    assert [path.name for path in kept(place)] == [f"report.html.{sys.implementation.cache_tag}.pyc"]
    monkeypatch.setattr(jinja2.Environment, "compile", refuse)
    assert page() == first


@pytest.mark.parametrize("damage", [b"", b"j2", b"no bytecode at all", None])
def test_what_is_kept_and_broken_is_made_again(place: Path, damage: bytes | None) -> None:
    """A file that is empty, cut or of something else costs a compilation, and no page."""
    first = page()
    (file,) = kept(place)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert page() == first
    assert file.read_bytes() == whole


def test_what_was_made_of_something_else_is_made_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another jinja2 compiles to other code."""
    first = page()
    (file,) = kept(place)
    before = file.read_bytes()
    monkeypatch.setattr(html, "version", lambda _name: "99.0")
    assert page() == first
    assert file.read_bytes() != before


def test_where_nothing_may_be_kept_the_page_is_made_all_the_same(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that cannot be written, and a Python that is told to leave no bytecode."""
    first = page()
    (file,) = kept(place)
    file.unlink()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert page() == first
    assert kept(place) == []
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", "/dev/null/compiled")
    assert page() == first
