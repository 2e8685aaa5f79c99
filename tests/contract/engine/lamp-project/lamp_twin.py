"""A lamp of our own: two files in a folder that goes away with it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamp_target import LampSection

    from opsverify.target.file import Section, ServersTable

__all__ = ["LampTwin", "start_twin"]


class LampTwin:
    """A running lamp."""

    section: Section
    backends: Mapping[str, str]

    def __init__(self, section: LampSection) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="lamp-"))
        self.bulb, self.switch = self.folder / "bulb.json", self.folder / "switch.json"
        self.bulb.write_text('{"value": 100}', encoding="utf-8")
        self.switch.write_text('{"value": "on"}', encoding="utf-8")
        self.section = section.model_copy(update={"bulb": str(self.bulb), "switch": str(self.switch)})
        self.backends = {"bulb": "twin: a file", "switch": "twin: a file"}
        self._misbehaves = section.twin

    def stop(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._misbehaves == "stop":
            msg = "the twin could not be stopped"
            raise RuntimeError(msg)


def start_twin(section: LampSection, _servers: ServersTable) -> LampTwin:
    """Start a lamp. Raises RuntimeError where the target asks for it."""
    if section.twin == "start":
        msg = "no socket for the lamp"
        raise RuntimeError(msg)
    return LampTwin(section)
