"""UCXL addresses: what is one, what is none, and that our reading and the twin's are of one mind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.bzzz.twin.agent import ucxl as twin
from systems.bzzz.agents.ucxl import MALFORMED, Address, code_of, read_address

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)
PATHS = st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,10}", fullmatch=True), max_size=4).map("/".join)
TEMPORAL = st.builds(
    lambda kind, steps: f"{kind}{steps}",
    st.sampled_from(["^^", "~~", "*^", "*~"]),
    st.one_of(st.just(""), st.integers(0, 999_999)),
)
ADDRESSES = st.builds(Address, NAMES, NAMES, NAMES, NAMES, TEMPORAL, PATHS)


@given(ADDRESSES)
def test_a_written_address_is_read_back(address: Address) -> None:
    """Every address is read as what it was written from, here and in the twin."""
    assert read_address(str(address)) == address
    told = twin.parse(str(address))
    assert (told.agent, told.role, told.task, told.temporal) == (
        address.agent,
        address.role,
        address.task,
        address.temporal,
    )


@given(st.text(max_size=200))
def test_no_text_makes_it_raise(text: str) -> None:
    """Any text is an address or none."""
    found = read_address(text)
    assert found is None or read_address(str(found)) == found


@given(ADDRESSES, st.sampled_from("\x00\n\t \x1b%?#\\é"), st.data())
def test_a_character_that_does_not_belong_is_refused(
    address: Address, wrong: str, data: st.DataObject
) -> None:
    """One wrong character anywhere makes it malformed."""
    text = str(address)
    at = data.draw(st.integers(0, len(text)))
    assert read_address(text[:at] + wrong + text[at:]) is None


@pytest.mark.parametrize("text", MALFORMED)
def test_what_a_boundary_has_to_refuse_is_malformed(text: str) -> None:
    """Every address that the check sends as malformed is, here and in the twin."""
    assert read_address(text) is None
    with pytest.raises(twin.Malformed):
        twin.parse(text)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"code": "UCXL-400-INVALID_ADDRESS"}, "UCXL-400-INVALID_ADDRESS"),
        ({"error": {"code": "UCXL-404-NOT_FOUND"}}, "UCXL-404-NOT_FOUND"),
        ({"response": {"error": {"code": "UCXL-500-X"}}}, "UCXL-500-X"),
        ({"code": "E400"}, ""),
        ({"code": 400}, ""),
        ({"error": {"error": {"error": {"error": {"error": {"code": "UCXL-400-DEEP"}}}}}}, ""),
        (["UCXL-400-INVALID_ADDRESS"], ""),
        (None, ""),
    ],
)
def test_a_code_is_found_where_replies_carry_it(body: object, code: str) -> None:
    """The UCXL code is found at the top and inside, and nothing else is taken for one."""
    assert code_of(body) == code
