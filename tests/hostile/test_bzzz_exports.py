"""Configuration exports that nobody exported so: each gets a verdict, and nothing of a payload is ever shown."""

from __future__ import annotations

import base64
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from checks.bzzz.backups import test_backups as checks
from tests.hostile.bzzz_backups import DAY, SOON_S, instead, kept, put
from tests.hostile.bzzz_looking import outcome
from tests.hostile.servers import ESCAPES
from tests.hostile.tables import case

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opsverify.model.verdict import Outcome

EXPORT = checks.test_the_configuration_export_is_whole
SECRET = "correct horse battery staple"


def inspected(name: str, **spec: Any) -> bytes:
    """What `docker … inspect` prints of one thing."""
    return json.dumps([{"ID": "x", "Spec": {"Name": name, **spec}}]).encode()


def service(name: str = "s", **container: Any) -> bytes:
    """What it prints of a service."""
    given = {"Image": "i@sha256:1", "Env": [f"PGPASSWORD={SECRET}"], **container}
    return inspected(
        name, TaskTemplate={"ContainerSpec": given}, Mode={"Replicated": {"Replicas": 3}}
    )  # fmt: skip


PAYLOAD = base64.b64encode(SECRET.encode()).decode()


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Give a whole export, with a secret's payload in it."""
    for kind in ("secrets", "configs"):
        (tmp_path / kind).mkdir()
        put(tmp_path / kind / "one.json", inspected("one", Data=PAYLOAD))
    put(tmp_path / "services.json", service() + b"\n" + service("t"))
    return tmp_path


def exported(name: str, content: bytes) -> Callable[[Path], object]:
    """Put a file of the export there."""
    return lambda folder: put(folder / name, content)


def of(name: str, change: Callable[[Path], None]) -> Callable[[Path], None]:
    """Do this to a file of the export."""
    return lambda folder: change(folder / name)


S, C, D = "services.json", "configs/one.json", "secrets/one.json"
BAD = "FAIL not-readable"
EXPORTS = [
    case(lambda _: None, "PASS whole", id="well"),
    case(exported("configs/two.json", inspected("two", Data="")), "PASS whole", id="an empty config"),
    case(exported("configs/README", b"no json"), "PASS whole", id="another file"),
    case(exported(D, inspected("one")), "FAIL no-payloads", id="a secret without its payload"),
    case(exported(C, inspected("one")), BAD, id="a config without its payload"),
    case(exported(C, inspected("one", Data="?" + SECRET)), BAD, id="no base64"),
    case(exported(C, inspected("one", Data=[SECRET])), BAD, id="a list for a payload"),
    case(exported(C, inspected("one", Data=7)), BAD, id="a number for a payload"),
    case(exported(C, inspected("one", Data="é" + SECRET)), BAD, id="not even ASCII"),
    case(exported(S, b""), BAD, id="0 bytes"),
    case(exported(S, b"[]"), BAD, id="nothing in it"),
    case(exported(S, service()[:-9]), BAD, id="cut"),
    case(exported(S, service() + b"<html>"), BAD, id="a proxy's page after it"),
    case(exported(S, b"services:\n  s:\n    image: i\n    secret: " + SECRET.encode()), BAD, id="YAML"),
    case(exported(S, b"{}"), BAD, id="an object"),
    case(exported(S, b'["x", 1]'), BAD, id="texts"),
    case(exported(S, b"[" * 500_000), BAD, id="deeply nested"),
    case(exported(S, b"1" * 500_000), BAD, id="a number of half a million digits"),
    case(exported(S, b"\xff\xfe[\x00"), BAD, id="UTF-16"),
    case(exported(S, service().replace(b'"s"', b'"\\ud800"')), BAD, id="half a character in a name"),
    case(exported(C, inspected("x", Data="").replace(b'"x"', b'"\\udfff"')), BAD, id="the same of a config"),
    case(exported(D, inspected("x", Data="").replace(b'"x"', b'"\\udfff"')), BAD, id="the same of a secret"),
    case(exported(S, service() * 6000), BAD, id="2 MiB"),
    case(exported(S, service(Image=7)), BAD, id="a number for an image"),
    case(exported(S, service(Image={"x": SECRET})), BAD, id="an object for an image"),
    case(exported(S, service().replace(b"3}", b'"many"}')), BAD, id="a word for a count"),
    case(exported(S, service().replace(b"3}", b"1e999}")), BAD, id="an endless count"),
    case(exported(S, inspected("s")), BAD, id="a service that says nothing"),
    case(exported(S, b'[{"Spec": null}]'), BAD, id="no spec"),
    case(exported(S, b'[{"Spec": {"Name": ""}}]'), BAD, id="no name"),
    case(lambda f: (f / S).unlink(), "FAIL absent", id="no services"),
    case(lambda f: shutil.rmtree(f / "configs"), "FAIL absent", id="no configs"),
    case(lambda f: (f / D).unlink(), "FAIL absent", id="no secrets"),
    case(of(S, instead(os.mkfifo)), BAD, id="a pipe"),
    case(of(S, instead(lambda p: p.symlink_to("/dev/zero"))), BAD, id="a device"),
    case(of(S, instead(lambda p: p.symlink_to("x"))), "FAIL absent", id="a link to nowhere"),
    case(of(C, instead(lambda p: p.symlink_to("x"))), BAD, id="a config that is a link to nowhere"),
    case(of(C, instead(os.mkfifo)), BAD, id="a config that is a pipe"),
    case(lambda f: (f / "configs" / "d.json").mkdir(), "PASS whole", id="a folder named like a config"),
    case(lambda f: put(f / "configs" / f"x{ESCAPES}.json"), "UNKNOWN precondition", id="escapes in a name"),
    case(lambda f: [(f / f"configs/{n}.json").touch() for n in range(501)], "UNKNOWN unexpected-reply", id="501 configs"),
    case(lambda f: put(f / S, service(), 8 * DAY), "FAIL old", id="old"),
    case(lambda f: [put(p, p.read_bytes(), -DAY) for p in f.rglob("*.json")], "FAIL from-the-future", id="of tomorrow"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), EXPORTS)
async def test_an_export_gets_its_verdict(
    export: Path, change: Callable[[Path], object], expected: str
) -> None:
    """Whatever is in an export, nothing of its payloads is ever shown."""
    change(export)
    seen: Outcome = await outcome(EXPORT, kept(export), deadline=SOON_S)
    assert f"{seen.verdict} {seen.reason}" == expected
    shown = repr(seen)
    assert SECRET not in shown
    assert PAYLOAD not in shown
    assert "battery" not in shown
    assert len(shown) < 6000
