"""What is told when Temporal's, Kubernetes' or the workstation's side misbehaves: a verdict each, within the deadline."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsverify.model.arming import Arming
from opsverify.model.observation import ErrorKind, Observation, Unobservable
from opsverify.run.look import connected, observe
from opsverify.servers.process import free_port
from systems.statehub.api.target import HttpTarget
from systems.statehub.kubernetes import objects
from systems.statehub.kubernetes.target import KubernetesTarget
from systems.statehub.schedule.target import TemporalTarget
from systems.statehub.section import StateHubSection
from systems.statehub.system import STATEHUB
from systems.statehub.workstation.client import WORDS, meaning
from systems.statehub.workstation.target import WorkstationTarget
from tests.hostile.servers import MIB, Play, bomb, closes, drips, endless, http, page, resets, says, silent
from tests.hostile.tables import case

if TYPE_CHECKING:
    from pathlib import Path

    from tests.hostile.servers import Stage

pytestmark = pytest.mark.slow

STATUS = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}


async def look(section: StateHubSection, name: str) -> Observation[Any]:
    """One observation, as a run makes it."""
    spec = next(s for s in STATEHUB.observations if s.name == name)
    began = time.monotonic()
    async with connected(STATEHUB, section, arming=Arming(target="test", owned=False)) as site:
        seen = await observe(site, [spec])
    assert time.monotonic() - began < spec.deadline.total_seconds() + 2
    return seen[name]


async def kind(section: StateHubSection, name: str) -> ErrorKind | None:
    """Why it could not be observed, None if it could."""
    trouble = (await look(section, name)).unobservable
    return trouble.kind if trouble else None


def cluster(folder: Path, server: str, user: str = "{}", more: str = "") -> StateHubSection:
    """A section whose kubeconfig leads to this server."""
    path = folder / "kubeconfig"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        f"clusters: [{{name: c, cluster: {{server: '{server}'{more}}}}}]\nusers: [{{name: u, user: {user}}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\n",
        encoding="utf-8",
    )
    return StateHubSection(kubernetes=KubernetesTarget(kubeconfig=str(path)))


KUBERNETES = [
    case(silent, "silent", id="never answers"),
    case(resets, "reset", id="resets"),
    case(closes, "reset", id="closes"),
    case(says(b"SSH-2.0-x\r\n"), "unexpected-reply|reset", id="no HTTP"),
    case(http(page(b"{}", status=401)), "denied", id="an expired token"),
    case(http(page(b"{}", status=403)), "denied", id="no rights"),
    case(http(page(b"upstream timed out", status=504)), "server-error", id="504"),
    case(http(page(b"<html>", status=404)), "unexpected-reply", id="a proxy's 404"),
    case(http(page(b"{}", status=302)), "unexpected-reply", id="a redirect"),
    case(http(page(b"not json")), "unexpected-reply", id="no JSON"),
    case(http(page(b"[]")), "unexpected-reply", id="a list"),
    case(http(page(b"[" * 100_000)), "unexpected-reply", id="deep"),
    case(
        http(page(b'{"metadata": {}, "spec": {"replicas": "many"}}')),
        "unexpected-reply",
        id="a text for a number",
    ),
    case(http(page(b'{"metadata": {}, "spec": {"replicas": 1e400}}')), "unexpected-reply", id="an infinity"),
    case(http(page(b"x" * (MIB + 1))), "unexpected-reply", id="too large"),
    case(http(endless(b"x" * 65536)), "unexpected-reply", id="endless"),
    case(http(drips(b"{" + b" " * 5000)), "silent", id="drips"),
    case(http(bomb()), "unexpected-reply", id="a bomb"),
]


@pytest.mark.parametrize(("play", "expected"), KUBERNETES)
async def test_an_api_server_that_misbehaves(stage: Stage, tmp_path: Path, play: Play, expected: str) -> None:
    """Whatever the API server does, the deployments are UNKNOWN for a named reason, within the deadline."""
    seen = await kind(cluster(tmp_path, stage.http(play)), "deployments")
    assert seen is not None
    assert seen.value in expected.split("|")


async def test_a_token_that_comes_back_is_not_told(stage: Stage, tmp_path: Path) -> None:
    """A server that sends our login back does not bring it into the evidence."""
    echo = http(page(b"who are you, Bearer planted-token-123, planted-token-123?", status=403))
    section = cluster(tmp_path, stage.http(echo), user="{token: planted-token-123}")
    trouble = (await look(section, "deployments")).unobservable
    assert trouble is not None
    assert "planted-token" not in trouble.seen
    assert "(redacted)" in trouble.seen


async def test_an_api_server_that_knows_nothing_has_answered(stage: Stage, tmp_path: Path) -> None:
    """A 404 that Kubernetes itself tells is an answer: there are no deployments."""
    play = http(page(json.dumps(STATUS).encode(), status=404))
    seen = await look(cluster(tmp_path, stage.http(play)), "deployments")
    assert [d.found for d in seen.value.deployments] == [False, False, False]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "]",
        "\x00",
        "apiVersion: v1",
        "- a",
        "current-context: c\ncontexts: []",
        "current-context: c\nclusters: 3\nusers: []\ncontexts: [{name: c, context: {cluster: c, user: u}}]",
        "current-context: c\nclusters: []\nusers: []\ncontexts: [{name: c, context: {cluster: c, user: u}}]",
    ],
)
async def test_a_bad_kubeconfig_is_named(tmp_path: Path, text: str) -> None:
    """A kubeconfig that is missing or cannot be used is our missing credential, and names the file."""
    path = tmp_path / "kubeconfig"
    section = StateHubSection(kubernetes=KubernetesTarget(kubeconfig=str(path)))
    for _ in range(2):
        trouble = (await look(section, "deployments")).unobservable
        assert trouble is not None
        assert trouble.kind is ErrorKind.CREDENTIAL_MISSING
        assert str(path) in trouble.seen
        path.write_text(text, encoding="utf-8")


async def test_an_api_server_that_is_not_there(tmp_path: Path) -> None:
    """Nobody listens, or the name does not resolve: each is told apart."""
    assert (
        await kind(cluster(tmp_path, f"http://127.0.0.1:{free_port()}"), "deployments") is ErrorKind.REFUSED
    )
    unknown = cluster(tmp_path, "http://no-such-host.invalid:1")
    assert await kind(unknown, "deployments") is ErrorKind.NAME_NOT_FOUND


@pytest.fixture
def stranger(tmp_path: Path) -> ssl.SSLContext:
    """A server's side of TLS with a certificate that nobody trusts."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl command")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [openssl, *made, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context


async def test_an_api_server_of_an_unknown_authority(tmp_path: Path, stranger: ssl.SSLContext) -> None:
    """A certificate that the kubeconfig's authority has not signed is told as such."""
    server = await asyncio.start_server(silent, "127.0.0.1", 0, ssl=stranger)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert (
            await kind(cluster(tmp_path, f"https://127.0.0.1:{port}"), "deployments") is ErrorKind.UNKNOWN_CA
        )


async def test_a_bridge_that_gives_up_is_the_systems_fault(stage: Stage) -> None:
    """A 504 after some time is an answer of a bridge that does not serve: S-API-1 and S-TUN-1 make it FAIL."""

    async def gives_up(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        await page(b"upstream timed out", status=504)(writer)

    section = StateHubSection(bridge=HttpTarget(url=stage.http(http(gives_up))))
    seen = await kind(section, "bridge_newest")
    assert seen is ErrorKind.SERVER_ERROR
    assert seen.unreachable


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
names = st.sampled_from(["metadata", "spec", "status", "items", "data", "replicas", "template", "conditions"])
near_objects = st.dictionaries(
    names, json_values | st.dictionaries(names, json_values, max_size=3), max_size=4
)


@given(near_objects)
def test_any_object_gives_values_or_unobservable(said: dict[str, Any]) -> None:
    """Whatever an object holds, nothing but Unobservable is raised."""
    for shape in (
        objects.Containers,
        objects.PodList,
        objects.Job,
        objects.KubernetesService,
        objects.Slices,
        objects.ConfigMap,
    ):
        with suppress(Unobservable):
            objects.parsed(shape, said, "object")


@pytest.mark.parametrize(
    "applied", ["", "[]", "3", "{}", '{"spec": 3}', '{"spec": {"replicas": "x"}}', "[" * 9999]
)
def test_a_bad_annotation_is_unobservable(applied: str) -> None:
    """What was applied last is no deployment: unobservable, and no crash."""
    said = {"metadata": {"name": "worker", "annotations": {objects.APPLIED: applied}}, "spec": {}}
    seen = objects.parsed(objects.Containers, said, "worker")
    with pytest.raises(Unobservable, match="is not a deployment"):
        objects.deployment_of("worker", seen, (), "i:1")


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        ({"nginx.conf": "proxy_read_timeout 360s;"}, 360),
        ({"nginx.conf": "proxy_read_timeout 6m;\nproxy_read_timeout 60;"}, 60),
        ({"proxy_read_timeout": "360"}, 360),
        ({"env": "proxy_read_timeout=1h"}, 3600),
        ({"env": "proxy_read_timeout: '360'"}, 360),
        ({"env": "my_proxy_read_timeout_x 3"}, None),
        ({"env": "proxy_read_timeout forever"}, None),
        ({}, None),
    ],
)
def test_how_long_a_request_may_take_is_read(data: dict[str, str], seconds: float | None) -> None:
    """Numbers with and without a unit, the shortest of several; anything else tells nothing."""
    assert objects.seconds_of(objects.ConfigMap(data=data), "proxy_read_timeout") == seconds


def temporal(address: str, **more: Any) -> StateHubSection:
    """A section with Temporal there."""
    return StateHubSection(temporal=TemporalTarget(url=f"grpc://{address}", **more))


TEMPORAL = [
    case(silent, "silent", id="never answers"),
    case(resets, "reset|server-error|unexpected-reply", id="resets"),
    case(closes, "reset|server-error|unexpected-reply", id="closes"),
    case(http(page(b"{}")), "server-error|unexpected-reply|reset", id="HTTP/1.1"),
    case(says(b"\x00" * 64, first=True), "server-error|unexpected-reply|reset", id="no HTTP/2"),
]


@pytest.mark.parametrize(("play", "expected"), TEMPORAL)
async def test_a_temporal_that_misbehaves(stage: Stage, play: Play, expected: str) -> None:
    """Whatever Temporal's port does, the schedule is UNKNOWN for a named reason, within the deadline."""
    seen = await look(temporal(f"127.0.0.1:{stage.open(play)}"), "temporal_schedule")
    assert seen.unobservable is not None
    assert seen.unobservable.kind.value in expected.split("|"), seen.unobservable


async def test_a_temporal_that_is_not_there() -> None:
    """Nobody listens, the name does not resolve, the authority's file is missing: each is told apart."""
    port = free_port()
    assert await kind(temporal(f"127.0.0.1:{port}"), "temporal_frontend") is ErrorKind.REFUSED
    assert await kind(temporal("no-such-host.invalid:7233"), "temporal_frontend") is ErrorKind.NAME_NOT_FOUND
    missing = temporal(f"127.0.0.1:{port}", ca_file="/no/such/file")
    assert await kind(missing, "temporal_frontend") is ErrorKind.CREDENTIAL_MISSING


@pytest.mark.parametrize(
    ("verb", "status", "out", "err", "yes"),
    [
        ("is-enabled", 0, "enabled", "", True),
        ("is-enabled", 0, "static", "", True),
        ("is-enabled", 1, "disabled", "", False),
        ("is-enabled", 1, "masked", "", False),
        ("is-enabled", 4, "not-found", "", False),
        ("is-enabled", 1, "", "Failed to get unit file state for x: No such file or directory", False),
        ("is-active", 0, "active", "", True),
        ("is-active", 3, "activating", "", True),
        ("is-active", 3, "inactive", "", False),
        ("is-active", 4, "inactive", "", False),
        ("is-active", 3, "failed", "", False),
    ],
)
def test_each_word_of_systemctl_means_yes_or_no(
    verb: str, status: int, out: str, err: str, *, yes: bool
) -> None:
    """A word counts only with the exit code that it comes with."""
    assert meaning(verb, status, f"{out}\n", err)[0] is yes


@pytest.mark.parametrize(
    ("status", "out", "err", "expected"),
    [
        (1, "", "Failed to connect to bus: No medium found", ErrorKind.UNEXPECTED_REPLY),
        (
            1,
            "",
            "System has not been booted with systemd as init system (PID 1).",
            ErrorKind.UNEXPECTED_REPLY,
        ),
        (1, "enabled", "", ErrorKind.UNEXPECTED_REPLY),
        (0, "disabled", "", ErrorKind.UNEXPECTED_REPLY),
        (0, "", "", ErrorKind.UNEXPECTED_REPLY),
        (1, "bad", "", ErrorKind.UNEXPECTED_REPLY),
        (0, "enabled\nenabled", "", ErrorKind.UNEXPECTED_REPLY),
        (127, "", "timeout: failed to run command", ErrorKind.PRECONDITION),
        (126, "", "Permission denied", ErrorKind.PRECONDITION),
        (124, "", "", ErrorKind.SILENT),
    ],
)
def test_every_other_reply_of_systemctl_is_unobservable(
    status: int, out: str, err: str, expected: ErrorKind
) -> None:
    """What is neither yes nor no is never taken for `off`."""
    with pytest.raises(Unobservable) as told:
        meaning("is-enabled", status, out, err)
    assert told.value.kind is expected


@given(st.sampled_from(sorted(WORDS)), st.integers(-9, 255), st.text(max_size=20), st.text(max_size=20))
def test_any_reply_of_systemctl_is_a_word_or_unobservable(verb: str, status: int, out: str, err: str) -> None:
    """Whatever systemctl prints, nothing but Unobservable is raised."""
    try:
        yes, word = meaning(verb, status, out, err)
    except Unobservable:
        return
    assert word in WORDS[verb]
    assert WORDS[verb][word][0] is yes


async def test_a_workstation_that_ssh_does_not_reach() -> None:
    """Nobody listens on the port, or the name does not resolve: ssh's own words are told apart."""
    if shutil.which("ssh") is None:
        pytest.skip("no ssh command")
    for host, expected in (
        (f"127.0.0.1:{free_port()}", ErrorKind.REFUSED),
        ("no-such-host.invalid", ErrorKind.NAME_NOT_FOUND),
    ):
        section = StateHubSection(workstation=WorkstationTarget(host=f"ssh://nobody@{host}"))
        assert await kind(section, "local_timer") is expected


async def test_a_systemctl_that_hangs_is_silent_and_ends(tmp_path: Path) -> None:
    """It is ended where it runs, and nothing of it stays behind."""
    program = tmp_path / "systemctl"
    program.write_text("#!/bin/sh\nexec sleep 97\n", encoding="utf-8")
    program.chmod(0o755)
    section = StateHubSection(workstation=WorkstationTarget(host="local://", systemctl=str(program)))
    assert await kind(section, "local_timer") is ErrorKind.SILENT
    for thread in [t for t in threading.enumerate() if t.name.endswith("_timer")]:
        thread.join(5)
        assert not thread.is_alive()
