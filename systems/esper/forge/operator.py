"""Actions on the forge and its library (runbook 3.4, 5 "Tezzeret Forge Crash Recovery").

The real forge is a Python object without a command line or an API: on a live target a person acts, and gets the exact
lines.
"""

from __future__ import annotations

import re
import shlex
from posixpath import join
from typing import Any

from opsverify.model.operator import ByHand, action
from opsverify.probes.blocking import in_thread
from systems.esper.actions import EsperActions

__all__ = ["ForgeActions"]

_BLUEPRINT = re.compile(r"BP\d{3}")
_DROP = "DELETE FROM blueprints WHERE blueprint_id = '{}'"  # only for ids of the shape above
_REPL = """\
from pathlib import Path
from esper.karn import KarnCatalog
from esper.urza import UrzaLibrary
from esper.tezzeret import TezzeretCompiler, CompileJobConfig, TezzeretForge
library = UrzaLibrary(root=Path({blueprints!r}))
compiler = TezzeretCompiler(CompileJobConfig(artifact_dir=Path({artifacts!r}), max_retries=2))
TezzeretForge(KarnCatalog(), library, compiler, wal_path=Path({wal!r})).run()"""


class ForgeActions(EsperActions):
    """Run the forge again, remove an artifact, drop a row of the library."""

    @action
    async def run_forge(self) -> str:
        """Run the forge to its end: it resumes with the pending blueprints, or compiles those that the library lacks."""
        files = self._section.files
        if self._twin is None:
            names = (
                (files.blueprints, files.artifacts, files.forge_wal)
                if files
                else ("var/urza", "var/artifacts", "var/urza/forge_wal.json")
            )
            lines = _REPL.format(blueprints=names[0], artifacts=names[1], wal=names[2])
            msg = f"the forge has no command line; in {self._root}, with the program's Python:\n{lines}"
            raise ByHand(msg, verified_by=("E-URZ-1", "E-URZ-2", "E-URZ-3"))
        return await in_thread(self._on_twin, "run_forge")

    @action
    async def remove_artifact(self, blueprint: str) -> str:
        """Delete a blueprint's artifact, in the library's folder and the compiler's. Alone it changes nothing: see drop_library_row."""
        _require_blueprint_id(blueprint)
        if self._twin is None:
            files = self._section.files
            folders = (files.blueprints, files.artifacts) if files else ("var/urza", "var/artifacts")
            paths = " ".join(shlex.quote(join(self._root, folder, f"{blueprint}.pt")) for folder in folders)
            msg = f"the suite does not write to files of a live host: rm -- {paths}"
            raise ByHand(msg, verified_by=("E-URZ-1", "E-URZ-2", "E-URZ-3"))
        return await in_thread(self._on_twin, "remove_artifact", blueprint)

    @action
    async def drop_library_row(self, blueprint: str) -> str:
        """Delete a blueprint's row from catalog.db: a blueprint with a row is never compiled again, whatever its artifact."""
        _require_blueprint_id(blueprint)
        if self._twin is None:
            files = self._section.files
            path = shlex.quote(join(self._root, files.library if files else "var/urza/catalog.db"))
            statement = shlex.quote(_DROP.format(blueprint))
            msg = f"the suite does not write to files of a live host; with no forge running: cp {path} {path}.before && sqlite3 {path} {statement}"
            raise ByHand(msg, verified_by=("E-URZ-1", "E-URZ-2", "E-URZ-3"))
        return await in_thread(self._on_twin, "drop_library_row", blueprint)

    @property
    def _root(self) -> str:
        return self._section.files.root if self._section.files else "the program's working directory"

    def _on_twin(self, what: str, *arguments: str) -> str:
        twin: Any = self._twin
        return str(getattr(twin, what)(*arguments))


def _require_blueprint_id(blueprint: str) -> None:
    # It becomes part of a path and of a statement.
    if not _BLUEPRINT.fullmatch(blueprint):
        msg = f"{blueprint!r} is not a blueprint id (BP001 to BP050)"
        raise ValueError(msg)
