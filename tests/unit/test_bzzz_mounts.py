"""How a host's mount table, and what a shell complains of, are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.model.observation import Unobservable
from systems.bzzz.storage.mounts import Mount, holding, mounts, trouble_of

NAME = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)


def escaped(text: str) -> str:
    """As the kernel writes a name into its mount table."""
    return "".join(f"\\{ord(c):03o}" if c in " \t\n\\#" else c for c in text)


@given(st.lists(st.tuples(NAME, NAME), min_size=1, max_size=8))
def test_any_name_is_read_from_a_mount_table(names: list[tuple[str, str]]) -> None:
    """Spaces, line ends of any alphabet and control characters do not tear a line apart."""
    table = "".join(f"{escaped(device)} /{escaped(at)} nfs4 rw,relatime 0 0\n" for device, at in names)
    assert mounts(table) == [Mount(d, f"/{a}", "nfs4", ("rw", "relatime")) for d, a in names]


@given(st.text(max_size=300))
def test_any_text_is_read_as_a_mount_table(text: str) -> None:
    """What is no line of one is passed over, and a path in no mount is not observed."""
    known = mounts(text)
    assert all(mount.at.startswith("/") for mount in known)
    if any(mount.at in {"/", "/rust"} for mount in known):
        assert holding("/rust", known) in known
    else:
        with pytest.raises(Unobservable, match="no mount for /rust"):
            holding("/rust", known)


def mount(at: str, kind: str = "ext4") -> Mount:
    """Something mounted there."""
    return Mount("device", at, kind, ("rw",))


@pytest.mark.parametrize(
    ("looked", "at"),
    [
        ("/rust/bzzz", "/rust"),
        ("/rust", "/rust"),
        ("/rust/", "/rust"),
        ("/rusty", "/"),
        ("/rust/deep/x", "/rust/deep"),
        ("/", "/"),
    ],
)
def test_a_path_lies_in_the_longest_mount_that_it_begins_with(looked: str, at: str) -> None:
    """By whole names, not by letters."""
    assert holding(looked, [mount("/"), mount("/rust"), mount("/rust/deep")]).at == at


def test_of_mounts_on_one_place_the_last_covers_the_others() -> None:
    """As the kernel resolves it."""
    assert holding("/rust", [mount("/"), mount("/rust", "autofs"), mount("/rust", "nfs4")]).type == "nfs4"


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("sh: 1: cd: can't cd to /rust", "missing"),
        ("ls: cannot access '/rust': No such file or directory", "missing"),
        ("ls: reading directory '.': Stale file handle", "stale"),
        ("ls: cannot open directory '.': Stale NFS file handle", "stale"),
        ("stat: cannot read file system information for '.': stale file handle", "stale"),
        ("ls: cannot open directory '.': Permission denied", "fails"),
        ("ls: reading directory '.': Input/output error", "fails"),
        ("", "fails"),
    ],
)
def test_what_a_shell_complains_of(said: str, means: str) -> None:
    """Stale and missing are told apart; anything else is told as it is."""
    assert trouble_of(said) == means
