"""What services are given: judged by example; values of environments are never kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.bzzz.configuration.criteria import attached, newest, postgres_answers, sound_configuration
from systems.bzzz.configuration.models import Configuration, Given, Networks, Reachability, Variable
from systems.bzzz.configuration.observations import variable
from systems.bzzz.services.docker_logs import lines_of, unframed
from systems.bzzz.services.models import NetworkSeen

SECRET, CONFIG, AGENT = "bzzz_postgres_password", "bzzz_v2_config", "bzzz-v2_bzzz-agent"


def variable_of(name: str, holds: str, level: str = "") -> Variable:
    """A variable."""
    return Variable(name=name, holds=holds, level=level)


def seen(
    *environment: Variable,
    secret: str = SECRET,
    secrets: tuple[str, ...] = (SECRET,),
    configs: tuple[str, ...] = (CONFIG,),
    levels: dict[str, str] | None = None,
) -> Configuration:
    """What one service is given."""
    service = Given(
        service=AGENT,
        secrets=(secret,),
        configs=(CONFIG,),
        environment=environment,
        variables=len(environment),
    )
    return Configuration(services=(service,), listed=1, secrets=secrets, configs=configs, levels=levels or {})


def cut(configuration: Configuration, variables: int = 0) -> Configuration:
    """The same, of which a service, or so many variables of its only one, are not told."""
    services = tuple(s.model_copy(update={"variables": variables}) for s in configuration.services)
    return configuration.model_copy(update={"services": services, "listed": 1 if variables else 2})


@pytest.mark.parametrize(
    ("used", "existing", "expected"),
    [
        (SECRET, [SECRET, f"{SECRET}_v2", f"{SECRET}_v10"], f"{SECRET}_v10"),
        (f"{SECRET}_v2", [SECRET, f"{SECRET}_v2"], f"{SECRET}_v2"),
        (CONFIG, [CONFIG, "bzzz_v2_config_v3", "bzzz_v2"], "bzzz_v2_config_v3"),
        (CONFIG, [CONFIG, "bzzz_v2_config_new"], "bzzz_v2_config_new"),
        ("bzzz_v2_config_new", [CONFIG, "bzzz_v2_config_new"], "bzzz_v2_config_new"),
        (SECRET, ["another_secret_v9"], SECRET),
    ],
)
def test_versions_are_told_from_names(used: str, existing: list[str], expected: str) -> None:
    """A name with _v2, _v3, _new is a newer version of the same thing, and of nothing else."""
    assert newest(used, existing) == expected


@pytest.mark.parametrize(
    ("configuration", "reason"),
    [
        (seen(), "sound"),
        (seen(secrets=()), "missing"),
        (seen(configs=()), "missing"),
        (seen(secrets=(SECRET, f"{SECRET}_v2")), "superseded"),
        (seen(secret=f"{SECRET}_v2", secrets=(SECRET, f"{SECRET}_v2")), "sound"),
        (seen(variable_of("POSTGRES_PASSWORD", "text")), "secret-in-environment"),
        (seen(variable_of("BZZZ_DATABASE_URL", "login")), "secret-in-environment"),
        (seen(variable_of("POSTGRES_PASSWORD_FILE", "file")), "sound"),
        (seen(variable_of("POSTGRES_PASSWORD_FILE", "text")), "sound"),
        (seen(variable_of("API_TOKEN", "empty")), "sound"),
        (seen(variable_of("LOG_LEVEL", "text", "debug")), "debug-left-on"),
        (seen(variable_of("LOG_LEVEL", "text", "info")), "sound"),
        (seen(levels={CONFIG: "trace"}), "debug-left-on"),
        (seen(levels={"not_used": "debug"}), "sound"),
        (seen(variable_of("LOG_LEVEL", "text", "debug"), secrets=()), "missing"),
        (
            seen(variable_of("A_TOKEN", "text"), secrets=(SECRET, f"{SECRET}_v2")),
            "secret-in-environment",
        ),
        (
            seen(variable_of("LOG_LEVEL", "text", "trace"), configs=(CONFIG, f"{CONFIG}_v2")),
            "superseded",
        ),
        (
            Configuration(services=(), listed=0, secrets=(SECRET,), configs=(CONFIG,), levels={}),
            "nothing-given",
        ),
        (cut(seen()), "part-missing"),
        (cut(seen(), 1), "part-missing"),
        (cut(seen(), 1).model_copy(update={"secrets": ()}), "missing"),
    ],
)
def test_what_services_are_given(configuration: Configuration, reason: str) -> None:
    """Each way in which a configuration is not sound has its reason, and a _FILE variable is no secret value."""
    finding = sound_configuration(configuration)
    holds = {"sound": True, "nothing-given": None, "part-missing": None}.get(reason, False)
    assert (finding.reason, finding.holds) == (reason, holds)


@given(name=st.text(min_size=1, max_size=30), value=st.text(min_size=14, max_size=60))
def test_no_value_of_an_environment_is_kept(name: str, value: str) -> None:
    """Whatever a variable holds, nothing of it stands in what is saved."""
    kept = variable(name, value)
    assert (kept.level, kept.holds in {"text", "file", "login"}) == ("", True)


@pytest.mark.parametrize(
    ("name", "value", "holds", "level"),
    [
        ("BZZZ_POSTGRES_URL", "postgresql://bzzz@postgres:5432/bzzz_v2", "text", ""),
        ("BZZZ_POSTGRES_URL", "postgresql://bzzz:pw@postgres:5432/bzzz_v2", "login", ""),
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/x", "file", ""),
        ("LOG_LEVEL", "DEBUG", "text", "debug"),
        ("BZZZ_LOG_LEVEL", "info", "text", "info"),
        ("EMPTY", "", "empty", ""),
    ],
)
def test_what_a_variable_holds(name: str, value: str, holds: str, level: str) -> None:
    """An address with a password, a path and a log level are told apart."""
    assert variable(name, value) == Variable(name=name, holds=holds, level=level)


def on(services: tuple[str, ...], *, cut: tuple[str, ...] = (), unlisted: tuple[str, ...] = ()) -> Networks:
    """A network with these services on it, of which two should be."""
    network = NetworkSeen(
        name="bzzz-internal", driver="overlay", scope="swarm", services=services, cut=cut, unlisted=unlisted
    )
    return Networks(network="bzzz-internal", expected=("a", "b"), specified=("b",), networks=(network,))


@pytest.mark.parametrize(
    ("networks", "reason"),
    [
        (on(("a", "b", "c")), "attached"),
        (on(("a",)), "service-not-attached"),
        (on(("a", "b"), cut=("a.1",)), "task-cut-off"),
        (on(("a", "b"), unlisted=("a.1",)), "task-not-found"),
        (
            Networks(network="bzzz-internal", expected=("a",), specified=(), networks=()),
            "network-missing",
        ),
        (on(("a",)).model_copy(update={"expected": ("a",)}), "service-not-attached"),
        (on(("a",), cut=("a.1",), unlisted=("a.2",)), "service-not-attached"),
        (on(("a", "b"), cut=("a.1",), unlisted=("a.2",)), "task-cut-off"),
        (on(("a", "b")).model_copy(update={"expected": ()}), "nobody-expected"),
    ],
)
def test_who_is_on_the_network(networks: Networks, reason: str) -> None:
    """A missing network, a service or a task that is not on it, and one that is not found there are told apart."""
    found = attached(networks)
    holds = {"attached": True, "nobody-expected": None}.get(reason, False)
    assert (found.holds, found.reason) == (holds, reason)


@pytest.mark.parametrize(
    ("status", "tasks_status", "reason"),
    [(0, None, "answers"), (1, 1, "no-answer"), (1, None, "no-answer"), (1, 0, "no-service-vip")],
)
def test_a_virtual_address_that_carries_nothing_is_told(
    status: int, tasks_status: int | None, reason: str
) -> None:
    """Where the service's tasks answer and its name does not, the kernel's virtual addresses are named."""
    reached = Reachability(
        service=AGENT,
        command="nc",
        name="postgres",
        status=status,
        output="",
        tasks="tasks.x",
        tasks_status=tasks_status,
    )
    found = postgres_answers(reached)
    assert (found.holds, found.reason) == (reason == "answers", reason)


def frame(text: str, stream: int = 1) -> bytes:
    """One frame of Docker's log."""
    return bytes([stream, 0, 0, 0]) + len(text.encode()).to_bytes(4) + text.encode()


def test_frames_of_a_log_are_taken_apart_and_put_in_order() -> None:
    """Lines of several tasks come in order of time, the newest are kept, escapes are not."""
    raw = frame("2026-01-01T00:00:02.5Z second\n", 2) + frame("2026-01-01T00:00:01Z \x1b[31mfirst\n")
    assert lines_of(raw, 10) == ("first", "second")
    assert lines_of(raw, 1) == ("second",)
    assert lines_of(raw, 0) == ()
    assert lines_of(b"of a terminal\nas it is\n", 5) == ("of a terminal", "as it is")


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=5))
def test_any_bytes_make_lines(raw: bytes, most: int) -> None:
    """No bytes crash the taking apart, cut frames included."""
    assert len(unframed(raw)) <= len(raw)
    assert len(lines_of(raw, most)) <= most
