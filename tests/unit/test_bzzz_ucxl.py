"""The twin's agents know a UCXL address from anything else, whatever comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.bzzz.twin.agent.ucxl import MOST_CHARACTERS, Malformed, parse

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)
TEMPORAL = st.builds(
    "{}{}".format, st.sampled_from(["^^", "~~", "*^", "*~"]), st.sampled_from(["", "0", "7", "123456"])
)
SEGMENTS = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,15}", fullmatch=True)


@given(names=st.tuples(NAMES, NAMES, NAMES, NAMES), temporal=TEMPORAL, path=st.lists(SEGMENTS, max_size=5))
def test_an_address_comes_apart_into_what_it_was_made_of(
    names: tuple[str, str, str, str], temporal: str, path: list[str]
) -> None:
    """Every address that the grammar makes is taken, and its parts are those it was made of."""
    agent, role, project, task = names
    address = parse("/".join([f"ucxl://{agent}:{role}@{project}:{task}", temporal, *path]))
    assert (address.agent, address.role, address.project, address.task) == names
    assert (address.temporal, address.path) == (temporal, "/".join(path))


@given(st.one_of(st.text(max_size=200), st.text(max_size=60).map("ucxl://a:b@c:d/^^/{}".format)))
def test_whatever_comes_is_an_address_or_malformed(text: str) -> None:
    """Any text is an address, or is refused with what is wrong; nothing else comes of it."""
    try:
        address = parse(text)
    except Malformed:
        return
    assert text.startswith(f"ucxl://{address.agent}:{address.role}@")
    assert ".." not in address.path.split("/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ucxl://",
        "http://a:b@c:d/^^/x",
        "ucxl://a@c:d/^^/x",
        "ucxl://a:b@c:d/x",
        "ucxl://a:b@c:d/^/x",
        "ucxl://a:b@c:d/^^1234567/x",
        "ucxl://a:b@c:d/^^/../x",
        "ucxl://a:b@c:d/^^/.",
        "ucxl://a:b@c:d/^^//x",
        "ucxl://a:b@c:d/^^/x\n",
        "ucxl://ä:b@c:d/^^/x",
        "ucxl://-a:b@c:d/^^/x",
        f"ucxl://a:b@c:d/^^/{'x/' * MOST_CHARACTERS}",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """A part that is missing, empty, too long, or that leads elsewhere makes it none."""
    with pytest.raises(Malformed):
        parse(text)
