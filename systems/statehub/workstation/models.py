"""Observed values of the workstation: the timer's systemd units."""

from __future__ import annotations

from opsverify.model.observation import Observed

__all__ = ["Timer", "Unit"]


class Unit(Observed):
    """The timer's unit of one systemd manager, with systemctl's own words."""

    scope: str
    enabled: bool
    enabled_word: str
    active: bool
    active_word: str


class Timer(Observed):
    """The local timer in each systemd manager; `scopes` are those that were asked."""

    name: str
    host: str
    scopes: tuple[str, ...]
    units: tuple[Unit, ...]
