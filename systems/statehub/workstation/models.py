"""The units of the workstation's systemd."""

from __future__ import annotations

from opsverify.model.observation import Observed

__all__ = ["Timer", "Unit"]


class Unit(Observed):
    """The timer's unit as one service manager has it, in systemctl's own words."""

    scope: str
    enabled: bool
    enabled_word: str
    active: bool
    active_word: str


class Timer(Observed):
    """The local timer as each service manager has it; `scopes` are those that were asked."""

    name: str
    host: str
    scopes: tuple[str, ...]
    units: tuple[Unit, ...]
