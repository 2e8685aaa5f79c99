"""Limits: every threshold with its value, unit and source, settable in the target file."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat, model_validator

__all__ = ["Limit", "Limits", "Window"]


class Limit(BaseModel):
    """A threshold: `value` in `unit`, and where it comes from (runbook section, "assumed", or the target file)."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    value: FiniteFloat
    unit: str
    source: str

    @property
    def duration(self) -> timedelta:
        """The value as a duration, for limits in seconds."""
        return timedelta(seconds=self.value)

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}".rstrip()

    def named(self, name: str) -> str:
        """How a finding shows this limit."""
        return f"{name} = {self} ({self.source})"


class Window(Limit):
    """A limit that says over how long, or how much of it, something is looked at: the one kind that an observation may read.

    Evidence that was saved was fetched with it: judging it again cannot change it.
    """


class Limits(BaseModel):
    """One system's table of limits. A subclass declares each as a `Limit`; a target file overrides by a bare number."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _numbers_become_limits(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        taken = dict(data)
        for key, value in data.items():
            field = cls.model_fields.get(key)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if field is not None and is_number:
                documented: Limit = field.get_default()
                if value == documented.value:
                    taken[key] = documented
                    continue
                changes = {
                    "value": value,
                    "source": f"set in the target; default {documented.value:g}: {documented.source}",
                }
                taken[key] = type(documented).model_validate(documented.model_dump() | changes)
        return taken
