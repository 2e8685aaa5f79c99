"""A check's marker is read strictly, and the rest comes from where the check stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from opsverify.model.check import CheckDeclarationError, check_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RIGHT: dict[str, Any] = {"id": "L-BLB-2b", "severity": "P1", "profiles": "smoke canary"}


def declared(folder: Path, path: str, *args: Any, **marker: Any) -> Callable[..., Any]:
    """A check function with this marker, from a file of its own."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        'def test_it_shines_all_night(bulb):\n    """It\n    shines.\n\n    More.\n    """\n',
        encoding="utf-8",
    )
    names: dict[str, Any] = {}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), names)  # noqa: S102 - ours
    function: Callable[..., Any] = pytest.mark.check(*args, **marker)(names["test_it_shines_all_night"])
    return function


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"id": "B-1"}, "id 'B-1' is not a catalogue row"),
        ({"id": "L-BLB-2bb"}, "id 'L-BLB-2bb'"),
        ({"id": "l-blb-2"}, "id 'l-blb-2'"),
        ({"id": None}, "id None"),
        ({"severity": "P4"}, "severity 'P4' is none of P0, P1, P2, P3"),
        ({"severity": None}, "severity None"),
        ({"profiles": ""}, "must be some of: smoke canary"),
        ({"profiles": ["smoke"]}, "must be some of"),
        ({"profiles": "smoke nightly"}, r"profiles \['nightly'\] do not exist"),
        ({"unreachable": "pass"}, "unreachable is 'unknown' or 'fail'"),
        ({"sevrity": "P1"}, r"unknown keys \['sevrity'\]"),
    ],
)
def test_a_wrong_marker_is_refused(wrong: dict[str, Any], told: str, tmp_path: Path) -> None:
    """Each wrong key is refused with the test's name and what would be right."""
    with pytest.raises(
        CheckDeclarationError,
        match=rf"test_bulb\.py::test_it_shines_all_night: @pytest\.mark\.check: .*{told}",
    ):
        check_of(declared(tmp_path, "checks/lamp/test_bulb.py", **RIGHT | wrong))


@pytest.mark.parametrize("newline", ["L-BLB-2\n", "L-BLB-2b\n"])
def test_an_id_ends_where_it_ends(newline: str, tmp_path: Path) -> None:
    """An id with a newline at its end is refused."""
    with pytest.raises(CheckDeclarationError):
        check_of(declared(tmp_path, "checks/lamp/test_bulb.py", **RIGHT | {"id": newline}))


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """A marker with two mistakes names both."""
    with pytest.raises(CheckDeclarationError, match=r"id .*; severity "):
        check_of(declared(tmp_path, "checks/lamp/test_bulb.py", id="x", severity="x", profiles="smoke"))


def test_positional_arguments_are_refused(tmp_path: Path) -> None:
    """A marker takes keywords only."""
    with pytest.raises(CheckDeclarationError, match="keys are"):
        check_of(declared(tmp_path, "checks/lamp/test_bulb.py", "L-BLB-2", **RIGHT))


def test_an_undeclared_function_is_refused() -> None:
    """A function without the marker is no check, and the message says what to add."""
    with pytest.raises(
        CheckDeclarationError,
        match=r"test_check\.py::declared declares no check; add @pytest\.mark\.check",
    ):
        check_of(declared)


def test_the_rest_comes_from_id_name_docstring_and_file(tmp_path: Path) -> None:
    """Row, name, promise, system and subsystem come from the id, the function, its docstring and its file."""
    found = check_of(declared(tmp_path, "checks/lamp/test_bulb.py", **RIGHT))
    assert (found.id, found.row) == ("L-BLB-2b", "L-BLB-2")
    assert (found.name, found.promise) == ("it shines all night", "It shines.")
    assert (found.system, found.subsystem) == ("lamp", "bulb")
    assert found.profiles == {"smoke", "canary"}
    assert not found.drill


@pytest.mark.parametrize(
    ("path", "marker", "where"),
    [
        ("checks/lamp/drills/test_dark.py", {"subsystem": "bulb"}, ("lamp", "bulb")),
        ("checks/old/checks/lamp/test_switch.py", {}, ("lamp", "switch")),
        ("elsewhere/test_bulb.py", {}, ("elsewhere", "bulb")),
    ],
)
def test_where_a_check_stands(
    path: str, marker: dict[str, str], where: tuple[str, str], tmp_path: Path
) -> None:
    """The system is the folder under the innermost checks/, and a marker may name the subsystem."""
    found = check_of(declared(tmp_path, path, **RIGHT, **marker))
    assert (found.system, found.subsystem) == where


def test_a_drill_is_what_runs_in_the_drill_profile(tmp_path: Path) -> None:
    """A check of the profile drill is a drill."""
    assert check_of(declared(tmp_path, "checks/lamp/test_bulb.py", **RIGHT | {"profiles": "drill"})).drill
