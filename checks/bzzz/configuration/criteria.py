"""Criteria of secrets, configs, environments, and the services' overlay network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from opsverify.model.ladder import fail, first_of, unknown
from opsverify.model.text import bounded_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opsverify.model.verdict import Finding
    from systems.bzzz.configuration.models import Configuration, Given, Networks, Reachability

__all__ = ["attached", "newest", "postgres_answers", "sound_configuration"]

_VERSION = re.compile(r"(?P<base>.+?)(?:_v(?P<number>\d{1,9})|_(?P<new>new))?")
_SECRET = re.compile(r"PASSW(OR)?D|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE)
_DEBUG = {"debug", "trace", "verbose"}
_FIRST, _NEW = 1, 2
_LONGEST = 300
UNSOUND = ("missing", "secret-in-environment", "superseded", "debug-left-on")
DETACHED = ("network-missing", "service-not-attached", "task-cut-off", "task-not-found")


def newest(used: str, existing: Sequence[str]) -> str:
    """The newest version of what is used: `x`, then `x_new` and `x_v2`, then `x_v3` (runbook, "Configuration Management")."""
    base, _ = _version(used)
    return max(
        (each for each in (used, *existing) if _version(each)[0] == base), key=lambda n: _version(n)[1]
    )


def _version(name: str) -> tuple[str, int]:
    match = _VERSION.fullmatch(name)
    if match is None:
        return name, _FIRST
    number = int(match["number"]) if match["number"] else _NEW if match["new"] else _FIRST
    return match["base"], number


def sound_configuration(configuration: Configuration) -> Finding:
    """Secrets and configs exist and are the newest; no environment holds a secret, none is left at debug."""
    troubles = sorted(_troubles(configuration), key=lambda trouble: UNSOUND.index(trouble[0]))
    reasons = {reason for reason, _ in troubles}
    used = {name for each in configuration.services for name in (*each.secrets, *each.configs)}
    cut = [each.service for each in configuration.services if len(each.environment) < each.variables]
    return first_of(
        *(fail(reason, reason in reasons) for reason in UNSOUND),
        unknown("nothing-given", not used),
        unknown("part-missing", cut or len(configuration.services) < configuration.listed),
        ok="sound",
    ).finding(
        expected="every secret and config in use exists and is the newest version; no secret in an environment variable; no log level at debug",
        observed="; ".join(message for _, message in troubles)
        or f"{len(configuration.services)} of {configuration.listed} services use {', '.join(sorted(used))}",
        details=(
            f"secrets: {', '.join(configuration.secrets) or 'none'}",
            f"configs: {', '.join(configuration.configs) or 'none'}",
        ),
    )


def _troubles(configuration: Configuration) -> Iterator[tuple[str, str]]:
    """Each with its reason."""
    for trouble in (_missing, _secret_in_environment, _superseded, _debug):
        for service in configuration.services:
            yield from trouble(service, configuration)


def _missing(service: Given, configuration: Configuration) -> Iterator[tuple[str, str]]:
    for kind, used, there in _used(service, configuration):
        for name in used:
            if name not in there:
                yield "missing", f"{service.service} uses {kind} {name}, which does not exist"


def _secret_in_environment(service: Given, _: Configuration) -> Iterator[tuple[str, str]]:
    for each in service.environment:
        named = _SECRET.search(each.name) and not each.name.upper().endswith("_FILE")
        if each.holds == "login" or (named and each.holds == "text"):
            yield (
                "secret-in-environment",
                f"{service.service} has a secret in environment variable {each.name}",
            )


def _superseded(service: Given, configuration: Configuration) -> Iterator[tuple[str, str]]:
    for kind, used, there in _used(service, configuration):
        for name in used:
            latest = newest(name, there)
            if latest != name:
                yield "superseded", f"{service.service} uses {kind} {name}, but {latest} exists"


def _debug(service: Given, configuration: Configuration) -> Iterator[tuple[str, str]]:
    for each in service.environment:
        if each.level in _DEBUG:
            yield "debug-left-on", f"{service.service} runs with {each.name}={each.level}"
    for name in service.configs:
        if configuration.levels.get(name) in _DEBUG:
            yield (
                "debug-left-on",
                f"{service.service} runs with log level {configuration.levels[name]} in config {name}",
            )


def _used(
    service: Given, configuration: Configuration
) -> tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]:
    return ("secret", service.secrets, configuration.secrets), (
        "config",
        service.configs,
        configuration.configs,
    )


def attached(networks: Networks) -> Finding:
    """The network exists, every service that should be attached is, and its name resolves to its tasks."""
    network, expected = networks.network, networks.expected
    wanted = dict.fromkeys((*expected, *networks.specified))
    overlay = next((each for each in networks.networks if each.name == network), None)
    lacking = [] if overlay is None else [n for n in wanted if n not in overlay.services]
    troubles: list[tuple[str, str]] = []
    if overlay is None:
        there = ", ".join(each.name for each in networks.networks) or "none"
        troubles.append(("network-missing", f"there is no network {network}; the services are on: {there}"))
    else:
        troubles += [
            ("service-not-attached", f"service {name} is not attached to {network}") for name in lacking
        ]
        troubles += [("task-cut-off", f"task {name} is disconnected from {network}") for name in overlay.cut]
        troubles += [
            (
                "task-not-found",
                f"task {name} is connected again, but its service's name does not resolve to it: docker service update --force",
            )
            for name in overlay.unlisted
        ]
    shown = (
        ""
        if overlay is None
        else f"{overlay.driver} network {overlay.name}: {', '.join(overlay.services) or 'no service'}"
    )
    troubles.sort(key=lambda trouble: DETACHED.index(trouble[0]))
    reasons = {reason for reason, _ in troubles}
    return first_of(
        *(fail(reason, reason in reasons) for reason in DETACHED),
        unknown("nobody-expected", not expected),
        ok="attached",
    ).finding(
        expected=f"{network} exists, with {', '.join(wanted)} and all their tasks attached",
        observed="; ".join(message for _, message in troubles) or shown,
        details=(shown,) if troubles and shown else (),
    )


def postgres_answers(reachability: Reachability) -> Finding:
    """PostgreSQL answers from inside a task; where only its tasks' own addresses do, the service's VIP is at fault."""
    vip = reachability.status != 0 and reachability.tasks_status == 0
    message = f"{reachability.name} does not answer from inside {reachability.service}"
    if vip:
        message += (
            f", but {reachability.tasks} does: the service's virtual IP does not work (kernel without IPVS? "
            "endpoint mode dnsrr needs none)"
        )
    command = bounded_text(" ".join(reachability.command.split()), _LONGEST)
    output = tuple(
        bounded_text(" ".join(text.split()), _LONGEST)
        for text in (reachability.output, reachability.tasks_output)
        if text
    )
    return first_of(
        fail("no-service-vip", vip), fail("no-answer", reachability.status != 0), ok="answers"
    ).finding(
        expected=f"{reachability.name} answers from inside a task of {reachability.service}",
        observed=f"{reachability.name} answers" if reachability.status == 0 else message,
        details=(f"{command}: exit status {reachability.status}", *output),
    )
