"""Recordings: what the checks were judged from while a fault was in force, kept in the repository and judged again in seconds.

Each is a packed file: the observations that differed from the healthy look at the same twin, with their times relative to
that look. `index.json` beside them says of which bytes, source, commit and day each is. A recording whose source has
changed since is stale: nothing is concluded from it, and `tox run -e detection -- --stale` makes it anew.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import re
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_json

from opsverify.model.judge import judge
from opsverify.model.observation import ErrorKind, Observation, Unobservable
from tests.detection.parts import PARTS, ROOT, Part
from tests.detection.source import asked_specs, digest_of, digests_in_health, specs_of
from tests.evidence.replies import Kept, of_one

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from opsverify.model.fault import Fault
    from opsverify.model.observation import ObservationSpec
    from opsverify.model.verdict import Outcome
    from tests.detection.look import Look, Looker

__all__ = [
    "FOLDER",
    "HEALTHY",
    "Entry",
    "Recording",
    "Unreadable",
    "at_one_moment",
    "known",
    "last_seen",
    "load",
    "stale",
    "taken",
    "unreadable",
    "write",
    "write_index",
    "written",
]

FOLDER = Path(__file__).parent / "recorded"
HEALTHY = "healthy"
ANEW = "tox run -e detection -- --stale"
_ITS_OWN = "|".join(
    re.escape(folder)
    for folder in {str(Path.home()), sys.prefix} - {"/", sys.base_prefix} | {"/home", "/root"}
)
_ITS_TMP = rf"(?:{re.escape(tempfile.gettempdir())}|(?:/var)?/tmp)"
_OWN = (
    (re.compile(rf"{_ITS_TMP}/opsverify-([a-z]+(?:-[a-z]+)*)-[0-9a-f]{{8,}}"), r"/twin/\1"),
    (re.compile(rf"{_ITS_TMP}/[^\s\"'\\:,;)]*"), "/twin/file"),
    (re.compile(re.escape(str(ROOT))), "/checkout"),
    (
        re.compile(rf"(?:{_ITS_OWN})/[^\s\"'\\:,;)]*"),
        "/elsewhere",
    ),
    (re.compile(rf"\b{re.escape(socket.gethostname())}\b"), "this-host"),
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{1,6}))?(Z|\+00:00)")
_AFTER = re.compile(r'(?<!\\)"@(-?\d+)us ([0-6])(Z|\+00:00)"')
_DIGITS, _SHOWN = 6, 5
_VARYING = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+(?:\.\d+)?"
)


class Unreadable(Exception):
    """A recording, or the index of a part, is not what was written."""


class Entry(BaseModel):
    """What the index says of a recording: the digest of its bytes and of their source, commit and day. Of the healthy one,
    the digest of each observation's source by itself.
    """

    content: str
    source: str | dict[str, str]
    commit: str
    day: str


_INDEX = TypeAdapter(dict[str, Entry])


@dataclass(frozen=True)
class Recording:
    """What was seen with one fault in force, or in health: each observation as the journal saves it, with the replies that it
    was read from where a reddened check hangs on them. `section` is the target's, as its file has it.
    """

    part: Part
    name: str
    started: datetime
    section: Mapping[str, Any]
    saved: Mapping[str, Mapping[str, Any]]

    @cached_property
    def seen(self) -> dict[str, Observation[Any]]:
        """The observations; in health, those whose source has not changed. Raises pydantic.ValidationError where a value has
        another shape than this version's.
        """
        return self.seen_but(stale_in_health(self.part) if self.name == HEALTHY else set())

    def seen_but(self, left_out: Collection[str]) -> dict[str, Observation[Any]]:
        """The observations without these. Raises pydantic.ValidationError."""
        specs = {spec.name: spec for spec in self.part.system.observations if spec.name not in left_out}
        return {name: taken(specs[name], one) for name, one in self.saved.items() if name in specs}

    @cached_property
    def all_saved(self) -> dict[str, Mapping[str, Any]]:
        """Every observation as saved: its own, over those of the healthy look."""
        return {**load(self.part.name, HEALTHY).saved, **self.saved}

    @cached_property
    def outcomes(self) -> dict[str, Outcome]:
        """What this version's checks, with its limits, make of what was seen. Without the checks that also ask for what was
        as in health, where nobody knows any more how that is.
        """
        healthy = load(self.part.name, HEALTHY)
        return _judged(self.part, {**healthy.seen, **self.seen})


def _judged(part: Part, seen: Mapping[str, Observation[Any]]) -> dict[str, Outcome]:
    limits = part.limits_now
    return {
        check.id: judge(check, {name: limits if name == "limits" else seen[name] for name in check.asks})
        for check in part.checks.values()
        if all(name == "limits" or name in seen for name in check.asks)
    }


def taken(spec: ObservationSpec, saved: Mapping[str, Any]) -> Observation[Any]:
    """A saved observation. Raises pydantic.ValidationError where the value has another shape than this version's."""
    trouble = saved["unobservable"]
    outcome: Any = (
        Unobservable(ErrorKind(trouble["kind"]), trouble["seen"])
        if trouble
        else spec.adapter.validate_json(to_json(saved["value"]))
    )
    return Observation(
        name=spec.name,
        system=spec.system,
        surfaces=spec.surfaces,
        outcome=outcome,
        at=datetime.fromisoformat(saved["at"]),
        window=timedelta(seconds=saved["window"]),
    )


def at_one_moment(spec: ObservationSpec) -> bool:
    """Whether what an observation came to hangs on its replies alone: it does not act, and waits for nothing."""
    return not (spec.active or spec.identity or spec.window or spec.baseline)


def written(part: str, name: str) -> str:
    """What is in a recording's file, unpacked. Raises Unreadable."""
    file = FOLDER / part / f"{name}.json.xz"
    try:
        return lzma.decompress(file.read_bytes()).decode()
    except (OSError, lzma.LZMAError, UnicodeDecodeError) as error:
        msg = f"{file.relative_to(ROOT)} cannot be read ({error}); {ANEW}"
        raise Unreadable(msg) from None


@cache
def load(part: str, name: str) -> Recording:
    """A recording. Raises Unreadable."""
    text = written(part, name)
    started = datetime.fromisoformat(text.rpartition('"started": "')[2].rstrip('"}'))
    told = json.loads(_AFTER.sub(lambda found: f'"{_absolute(found, started)}"', text))
    saved = told["saved"]
    for one in saved.values():
        one["replies"] = [Kept(*reply) for reply in one["replies"]]
    return Recording(PARTS[part], name, started, told["section"], saved)


def load_all(part: Part) -> list[Recording]:
    """The recordings of a part that are not stale."""
    return [
        load(part.name, fault.name if fault else HEALTHY)
        for fault in (None, *part.faults)
        if not stale(part, fault)
    ]


def known(part: str) -> dict[str, Entry]:
    """The index of a part; empty where there is none. Raises Unreadable."""
    path = FOLDER / part / "index.json"
    try:
        return _INDEX.validate_json(path.read_bytes()) if path.exists() else {}
    except ValidationError as error:
        told = error.errors()[0]
        where = ".".join(map(str, told["loc"])) or "its text"
        told_of = f"{path.relative_to(ROOT)} is no index ({where}: {told['msg']})"
        msg = f"{told_of}; after a merge take either side, then {ANEW}"
        raise Unreadable(msg) from None


def unreadable(part: Part, fault: type[Fault] | None) -> str:
    """Why there is no recording that could be judged, or ""."""
    name = fault.name if fault else HEALTHY
    entry, file = known(part.name).get(name), FOLDER / part.name / f"{name}.json.xz"
    if entry is None or not file.exists():
        return f"{part.name}/{name}: never recorded; {ANEW}"
    if entry.content != _content(file):
        return f"{file.relative_to(ROOT)}: not the bytes that its entry in index.json is of; {ANEW}"
    return ""


def stale(part: Part, fault: type[Fault] | None) -> str:
    """Why a recording tells nothing any more, or ""."""
    if why := unreadable(part, fault):
        return why
    name = fault.name if fault else HEALTHY
    entry = known(part.name)[name]
    if entry.source == _source(part.name, fault):
        return ""
    of = "the fault, of the twin, or of what is observed"
    if fault is None:
        of = f"the twin or of {', '.join(sorted(stale_in_health(part))[:_SHOWN])}"
    return f"{part.name}/{name}: recorded on {entry.day} of another source of {of}; {ANEW}"


def stale_in_health(part: Part) -> set[str]:
    """The observations of which it is not known any more how they are in health."""
    entry = known(part.name).get(HEALTHY)
    before = entry.source if entry and isinstance(entry.source, dict) else {}
    now = _source(part.name, None)
    assert isinstance(now, dict)
    return {name for name in now if before.get(name) != now[name]}


@cache
def _source(part: str, fault: type[Fault] | None) -> str | dict[str, str]:
    return digest_of(PARTS[part], fault) if fault else digests_in_health(PARTS[part])


def _content(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


def last_seen(part: str, name: str) -> str:
    """The day on which a fault was last seen to turn its checks, or "never"."""
    entry = known(part).get(name)
    return entry.day if entry else "never"


def write(part: Part, fault: type[Fault] | None, looker: Looker, look: Look) -> None:
    """Record a look. Where nothing but numbers and times differs from the recording that is there, its bytes stay.

    Raises:
        AssertionError: judged again from what was recorded, a check has another outcome.
    """
    name = fault.name if fault else HEALTHY
    names = sorted(look.saved) if fault is None else _differing(part, fault, looker, look)
    reread = {spec.name for spec in (asked_specs(part) if fault is None else specs_of(part, fault))}
    saved = {
        each: {**look.saved[each], "replies": _replies(part, each, look, looker) if each in reread else []}
        for each in names
    }
    folder = FOLDER / part.name
    folder.mkdir(parents=True, exist_ok=True)
    started = look.started
    told = {
        "started": started.isoformat(),
        "section": json.loads(json.dumps(looker.written, default=str)),
        "saved": _moved(saved, lambda text: _relative(text, started)),
    }
    text = json.dumps(told, sort_keys=True)
    for pattern, instead in _OWN:
        text = pattern.sub(instead, text)
    file = folder / f"{name}.json.xz"
    try:
        before = written(part.name, name)
    except Unreadable:
        before = ""
    if _shape(before) != _shape(text) or _others(part, name, look):
        file.write_bytes(lzma.compress(text.encode(), preset=9))
        other = _others(part, name, look)
        assert not other, f"judged again from what was recorded of {name}: {other}"
    entry = Entry(
        content=_content(file),
        source=_source(part.name, fault),
        commit=_commit(),
        day=f"{datetime.now(UTC):%Y-%m-%d}",
    )
    with FileLock(ROOT / f".pytest_cache/{part.name}.lock"):  # two workers may have a part between them
        write_index(part.name, {**known(part.name), name: entry})


def write_index(part: str, index: Mapping[str, Entry]) -> None:
    """Write the index of a part."""
    told = {name: entry.model_dump() for name, entry in index.items()}
    text = json.dumps(told, indent=1, sort_keys=True) + "\n"
    (FOLDER / part / "index.json").write_text(text, encoding="utf-8")


def _others(part: Part, name: str, look: Look) -> dict[str, str]:
    """The checks that come to another outcome from the recording than from the look."""
    load.cache_clear()
    try:
        seen = load(part.name, name).seen_but(())
        again = _judged(part, seen if name == HEALTHY else {**load(part.name, HEALTHY).seen, **seen})
    except (Unreadable, ValidationError) as error:
        return {name: str(error)}
    said = {check: (outcome.verdict, outcome.reason) for check, outcome in again.items()}
    return {
        check: f"{outcome.verdict} {outcome.reason}, from the recording {said.get(check, 'nothing')}"
        for check, outcome in look.outcomes.items()
        if (outcome.verdict, outcome.reason) != said.get(check)
    }


def _replies(part: Part, name: str, look: Look, looker: Looker) -> list[Any]:
    """The replies that an observation was read from, without the target's secrets."""
    spec = next(spec for spec in part.system.observations if spec.name == name)
    kept = of_one(look.replies, name) if at_one_moment(spec) else []
    return [looker.redactor.data([each.of, each.asked, each.at, each.came]) for each in kept]


def _moved(value: Any, move: Callable[[str], str]) -> Any:
    """A JSON value with each of its times moved."""
    if isinstance(value, dict):
        return {key: _moved(each, move) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_moved(each, move) for each in value]
    return move(value) if isinstance(value, str) else value


def _relative(text: str, started: datetime) -> str:
    found = _TIME.fullmatch(text)
    if found is None:
        return text
    after = (datetime.fromisoformat(text) - started) // timedelta(microseconds=1)
    return f"@{after}us {len(found[1] or '')}{found[2]}"


def _absolute(found: re.Match[str], started: datetime) -> str:
    at = started.replace(tzinfo=None) + timedelta(microseconds=int(found[1]))
    text, digits = at.isoformat(timespec="microseconds"), int(found[2])
    return text[: -_DIGITS - 1 if digits == 0 else len(text) - _DIGITS + digits] + found[3]


def _shape(text: str) -> str:
    return _VARYING.sub("#", text)


def _commit() -> str:
    """The commit that is checked out, with a + where files differ from it; "" outside a checkout."""
    told = ""
    for command in (
        ["git", "rev-parse", "--short", "HEAD"],
        ["git", "status", "--porcelain", "--untracked-files=no"],
    ):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            return told
        told += done.stdout.strip() if not told else "+" if done.stdout.strip() else ""
    return told


def _differing(part: Part, fault: type[Fault], looker: Looker, look: Look) -> list[str]:
    """The observations that are not as in the healthy look at the same twin, and whatever a check needs to come to what it came."""
    assert looker.healthy is not None
    healthy = looker.healthy

    def relative(of: Look, name: str) -> Any:
        return _moved(of.saved[name], lambda text: _relative(text, of.started))

    names = {
        name
        for name in look.saved
        if name not in healthy.saved or relative(look, name) != relative(healthy, name)
    }
    stored = load(part.name, HEALTHY).seen
    judged = _judged(part, {**stored, **{name: look.live[name] for name in names}})
    for check, outcome in look.outcomes.items():
        if check not in judged or (judged[check].verdict, judged[check].reason) != (
            outcome.verdict,
            outcome.reason,
        ):
            names |= {name for name in part.checks[check].asks if name in look.saved}
    return sorted(names)


def main() -> int:
    """Say which recordings are stale; the exit status is whether any is."""
    old = [why for part in PARTS.values() for fault in (None, *part.faults) if (why := stale(part, fault))]
    print("\n".join(old) or "every recording is of the source that is here")
    return int(bool(old))


if __name__ == "__main__":
    sys.exit(main())
