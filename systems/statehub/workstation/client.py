"""Client of the workstation's systemd, read-only: systemctl by testinfra, locally or by ssh, in a thread."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.model.text import bounded_text
from opsverify.probes.blocking import in_thread
from systems.statehub.workstation.models import Timer, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from systems.statehub.section import StateHubSection
    from systems.statehub.workstation.target import WorkstationTarget

__all__ = ["WorkstationClient", "meaning"]

_REMOTE_S, _CONNECT_S = 4, 4
_SSH = "-o BatchMode=yes -o ServerAliveInterval=2 -o ServerAliveCountMax=2"
_TIMED_OUT, _NO_PROGRAM = 124, (126, 127)
# systemctl(1), "is-enabled" and "is-active": each state that means yes or no, with its exit codes.
_ENABLED: Mapping[str, tuple[bool, tuple[int, ...]]] = {
    **dict.fromkeys(("enabled", "enabled-runtime", "static", "alias", "indirect", "generated"), (True, (0,))),
    "transient": (True, (0, 1)),
    **dict.fromkeys(("disabled", "linked", "linked-runtime", "masked", "masked-runtime"), (False, (1,))),
    "not-found": (False, (1, 4)),
}
_ACTIVE: Mapping[str, tuple[bool, tuple[int, ...]]] = {
    "active": (True, (0,)),
    "reloading": (True, (0, 3)),
    "activating": (True, (3,)),
    "deactivating": (True, (3,)),
    "inactive": (False, (3, 4)),
    "failed": (False, (3,)),
    "unknown": (False, (3, 4)),
}
WORDS = {"is-enabled": _ENABLED, "is-active": _ACTIVE}
_SSH_TEXT = (
    (r"Could not resolve hostname", ErrorKind.NAME_NOT_FOUND),
    (r"Connection refused", ErrorKind.REFUSED),
    (r"No route to host|[Nn]etwork is unreachable", ErrorKind.NO_ROUTE),
    (r"timed out|not responding", ErrorKind.SILENT),
    (r"Permission denied|Host key verification failed", ErrorKind.DENIED),
    (r"reset by peer|closed by remote host|Connection closed|Broken pipe", ErrorKind.RESET),
)


def meaning(verb: str, status: int, out: str, err: str) -> tuple[bool, str]:
    """Whether `systemctl VERB` means yes, and the state that it printed.

    Raises:
        Unobservable: the state or the exit code is not a known one.
    """
    word = out.strip()
    if verb == "is-enabled" and not word and status == 1 and "No such file or directory" in err:
        word = "not-found"  # as systemd says it before version 253
    yes, statuses = WORDS[verb].get(word, (False, ()))
    if status in statuses:
        return yes, word
    message = bounded_text(f"systemctl {verb} ended with {status}: {out.strip()!r} {err.strip()!r}", 300)
    if status == _TIMED_OUT:
        raise Unobservable(ErrorKind.SILENT, message)
    if status in _NO_PROGRAM:
        raise Unobservable(ErrorKind.PRECONDITION, f"{message}: does the host have systemd?")
    raise Unobservable(ErrorKind.UNEXPECTED_REPLY, message)


class WorkstationClient:
    """Reads the state of the timer's unit, and the host's time."""

    def __init__(self, section: StateHubSection) -> None:
        self._section = section

    async def timer(self) -> Timer:
        """Whether the timer is enabled and active, for each systemd manager (system, user) of the target."""
        return await in_thread(self._timer)

    async def date(self) -> str:
        """Seconds since the epoch by the host's clock."""
        return await in_thread(self._date)

    @property
    def _target(self) -> WorkstationTarget:
        if self._section.workstation is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no workstation")
        return self._section.workstation

    def _timer(self) -> Timer:
        target, host = self._target, self._host()
        units = []
        for scope in target.scopes:
            words = []
            for verb in WORDS:
                command = ("env", "LC_ALL=C", target.systemctl, f"--{scope}", verb, target.timer)
                words.append(meaning(verb, *_run(host, *command)))
            (enabled, enabled_word), (active, active_word) = words
            units.append(
                Unit(
                    scope=scope,
                    enabled=enabled,
                    enabled_word=enabled_word,
                    active=active,
                    active_word=active_word,
                )
            )
        return Timer(name=target.timer, host=target.host, scopes=target.scopes, units=tuple(units))

    def _date(self) -> str:
        status, out, err = _run(self._host(), "date", "-u", "+%s.%N")
        if status:
            raise Unobservable(ErrorKind.UNEXPECTED_REPLY, bounded_text(f"date ended with {status}: {err!r}"))
        return out.strip()

    def _host(self) -> Any:
        import testinfra  # noqa: PLC0415 -- only if a workstation is configured

        target = self._target
        if target.host == "local://":
            return testinfra.get_host("local://")
        return testinfra.get_host(
            target.host,
            ssh_config=target.ssh_config,
            ssh_identity_file=target.identity_file,
            timeout=_CONNECT_S,
            controlpersist=0,  # leave no ssh master process behind
            ssh_extra_args=_SSH,
        )


def _run(host: Any, *command: str) -> tuple[int, str, str]:
    """Run a command on the host, under `timeout`; exit status, stdout and stderr."""
    record_source(" ".join(command))
    bounded = ("timeout", "-k", "1", str(_REMOTE_S), *command)
    try:
        done = host.run(" ".join(["%s"] * len(bounded)), *bounded)
    except RuntimeError as error:  # ssh itself failed: testinfra raises its result
        result = error.args[0] if error.args else None
        text = bounded_text(" ".join(str(getattr(result, "stderr", error)).split()), 300)
        kind = next((k for pattern, k in _SSH_TEXT if re.search(pattern, text)), ErrorKind.UNEXPECTED_REPLY)
        raise Unobservable(kind, f"ssh: {text}") from None
    return done.rc, done.stdout, done.stderr
