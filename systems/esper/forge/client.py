"""Client of the program's files, read-only: field-report log, the forge's WALs, library and artifacts."""

from __future__ import annotations

import time
from functools import cached_property
from posixpath import join
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from opsverify.model.observation import ErrorKind, Unobservable, record_source
from opsverify.probes.blocking import in_thread
from opsverify.probes.host import Changed, FileSeen, HostReader
from systems.esper.forge.field_reports import ReportReader
from systems.esper.forge.library_file import LibraryRow, NoLibrary, library_rows
from systems.esper.forge.models import Blueprint, ForgeWal, LeftWal, Library, ReportLog
from systems.esper.forge.wal_files import artifact_problem, forge_wal, left_wal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from systems.esper.forge.target import FilesTarget

__all__ = ["FilesClient", "Wals"]

_MIB = 1024 * 1024
_PAGE = 8 * _MIB
_MOST_OF_A_LOG = 64 * _MIB
_MOST_OF_A_WAL = 64 * 1024
_MOST_OF_A_LIBRARY = 16 * _MIB
_MOST_OF_AN_ARTIFACT = 8 * _MIB
_MOST_OF_ALL_ARTIFACTS = 64 * _MIB
_AGAIN_S = 0.2
_TORN_LOOKS = 3
_ARTIFACT = ".pt"
P = ParamSpec("P")
R = TypeVar("R")

Wals = tuple[ForgeWal, LeftWal, LeftWal]
"""WALs of the forge, the compiler and the library."""


class FilesClient:
    """Reads the files below the target's root."""

    def __init__(self, target: FilesTarget | None) -> None:
        self._target = target

    async def report_log(self, workload: str) -> ReportLog:
        """The field-report log, decoded from its first byte to its last."""
        return await self._recorded(self._report_log, (self._files.field_reports,), workload)

    async def wals(self) -> tuple[Wals, tuple[str, ...]]:
        """The three write-ahead logs, and a text for each that changes when it is written."""
        files = self._files
        return await self._recorded(self._wals, (files.forge_wal, files.compiler_wal, files.library_wal))

    async def library(self) -> Library:
        """The library's rows from a copy, each with its artifact, and the artifacts that have no row."""
        files = self._files
        return await self._recorded(self._library, (files.library, files.blueprints, files.artifacts))

    async def artifacts(self) -> dict[str, str]:
        """A text for each artifact in the library's folder that changes when it is written, by blueprint id."""
        return await self._recorded(self._artifacts, (self._files.blueprints,))

    async def rights(self) -> str:
        """Whether the root and what is below it may be read."""
        files = self._files
        return await self._recorded(self._rights, (files.field_reports, files.forge_wal, files.library))

    @property
    def _files(self) -> FilesTarget:
        if self._target is None:
            raise Unobservable(ErrorKind.PRECONDITION, "the target configures no files")
        return self._target

    @cached_property
    def _reader(self) -> HostReader:
        return HostReader(self._files)

    def _at(self, path: str) -> str:
        return join(self._files.root, path)

    async def _recorded(
        self, read: Callable[P, R], paths: Sequence[str], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        for path in paths:
            record_source(f"{self._files.host} {self._at(path)}")
        return await in_thread(read, *args, **kwargs)

    def _look(self, paths: Sequence[str], most: int = 0) -> list[FileSeen]:
        """Stat, and with `most` read, paths below the root. A missing root is unobservable, not a set of missing files."""
        root, *files = self._reader.look([self._files.root, *map(self._at, paths)], most)
        if not root.folder:
            raise Unobservable(
                ErrorKind.PRECONDITION,
                f"no folder {root.path} on {self._files.host}; see files.root in the target",
            )
        return files

    def _rights(self) -> str:
        files = self._look((self._files.field_reports, self._files.forge_wal, self._files.library), 1)
        return f"may read {self._files.root}; files there: {', '.join(f.path for f in files if f.there) or 'none'}"

    # The field-report log

    def _report_log(self, workload: str) -> ReportLog:
        for _ in range(2):
            read = self._read_log(workload)
            if read is not None:
                return read
        raise Unobservable(
            ErrorKind.PRECONDITION, "the log was replaced twice while it was read: log retention is running"
        )

    def _read_log(self, workload: str) -> ReportLog | None:
        """The log, or None if it was replaced meanwhile (retention rewrites it under the same name)."""
        (file,) = self._look((self._files.field_reports,))
        path = file.path
        if not file.there or not file.regular:
            return ReportLog.none(path, "not-a-file" if file.there else "missing", workload)
        log, bound = ReportReader(), min(file.size, _MOST_OF_A_LOG)
        while log.offset < bound:
            page = self._reader.page(path, log.offset, min(_PAGE, bound - log.offset))
            if not page:
                return None
            log.feed(page)
        cut = log.offset < file.size
        if not cut:
            self._read_on(path, log)
        log.finish()
        (again,) = self._look((self._files.field_reports,))
        if again.inode != file.inode or again.size < log.offset:
            return None
        return ReportLog(
            path=path,
            problem="",
            workload=workload,
            size=again.size,
            records=log.records,
            outcomes=dict(log.outcomes),
            oldest=log.oldest,
            newest=log.newest,
            garbage=tuple(log.garbage),
            garbage_count=log.garbage_count,
            torn_at=None if cut else log.torn_at,
            torn_bytes=0 if cut or log.torn_at is None else log.offset - log.torn_at,
            unread=again.size - log.offset if cut else 0,
        )

    def _read_on(self, path: str, log: ReportReader) -> None:
        """A record that is being written looks torn: read on while it grows."""
        for _ in range(_TORN_LOOKS):
            if log.torn_at is None:
                return
            time.sleep(_AGAIN_S)
            page = self._reader.page(path, log.offset, _PAGE)
            if not page:
                return
            log.feed(page)

    # The write-ahead logs

    def _wals(self) -> tuple[Wals, tuple[str, ...]]:
        files = self._files
        paths = (files.forge_wal, files.compiler_wal, files.library_wal)
        for folder in self._look((files.blueprints, files.artifacts)):
            if not folder.folder:
                message = f"no folder {folder.path}: no forge has run under this root, or it writes elsewhere"
                raise Unobservable(ErrorKind.PRECONDITION, message)
        wals = self._again(lambda: self._look(paths, _MOST_OF_A_WAL))
        for each in wals:
            if each.there and each.content is None:
                raise Unobservable(ErrorKind.UNEXPECTED_REPLY, f"{each.path} is not a regular file")
        forge, compiler, library = wals
        decoded = (
            forge_wal(forge.path, forge.content),
            left_wal(compiler.path, compiler.content),
            left_wal(library.path, library.content),
        )
        return decoded, tuple(f"{each.stamp} {(each.content or b'').hex()[:400]}" for each in wals)

    # The library

    def _library(self) -> Library:
        return self._again(self._read_library)

    def _read_library(self) -> Library:
        files = self._files
        journals = (f"{files.library}-journal", f"{files.library}-wal")
        catalog, *beside = self._look((files.library, *journals))
        hot = [each.path for each in beside if each.size]
        if hot:
            message = f"hot journal next to the library: {', '.join(hot)}. A program is writing or has crashed; the database file alone is not consistent"
            raise Unobservable(ErrorKind.PRECONDITION, message)
        if catalog.size > _MOST_OF_A_LIBRARY:
            raise Unobservable(
                ErrorKind.UNEXPECTED_REPLY,
                f"{catalog.path} has {catalog.size} bytes; a library has some 20 kB",
            )
        first = self._listed()
        if not catalog.there and not first:
            raise Unobservable(
                ErrorKind.EMPTY, f"neither {catalog.path} nor an artifact exists: no forge has run here"
            )
        rows, problem = list[LibraryRow](), "it does not exist, but artifacts do"
        if catalog.there:
            (read,) = self._look((files.library,), _MOST_OF_A_LIBRARY)
            rows, problem = _rows(read)
        blueprints = self._with_artifacts(rows, first)
        (after,) = self._look((files.library,))
        if after.stamp != catalog.stamp or self._listed() != first:
            msg = "the library changed while it was read: a forge is running"
            raise Changed(msg)
        if not problem and not rows and not first:
            raise Unobservable(ErrorKind.EMPTY, f"{catalog.path} holds no blueprint")
        known = {row.blueprint_id for row in rows}
        orphans = [path for path in first if _id_of(path) not in known]
        return Library(
            path=catalog.path,
            problem=problem,
            rows=len(rows),
            files=len(first),
            blueprints=blueprints,
            orphans=tuple(orphans),
        )

    def _listed(self) -> list[str]:
        """The artifacts in both folders."""
        folders = dict.fromkeys(map(self._at, (self._files.blueprints, self._files.artifacts)))
        there = [s.path for s in self._reader.look(list(folders)) if s.folder]
        return [join(f, name) for f in there for name in self._reader.names(f) if name.endswith(_ARTIFACT)]

    def _artifacts(self) -> dict[str, str]:
        self._look(())
        paths = [path for path in self._listed() if path.startswith(f"{self._at(self._files.blueprints)}/")]
        artifacts = self._reader.look(paths)
        return {_id_of(each.path): each.stamp for each in artifacts}

    def _with_artifacts(self, rows: list[LibraryRow], listed: list[str]) -> tuple[Blueprint, ...]:
        """Each row with all files of its id: the path in the row, the library's copy, and the compiler's if any."""
        under: dict[str, list[str]] = {}
        for row in rows:
            copy = self._at(join(self._files.blueprints, row.blueprint_id + _ARTIFACT))
            others = [path for path in listed if _id_of(path) == row.blueprint_id]
            under[row.blueprint_id] = list(dict.fromkeys([self._at(row.artifact_path), copy, *others]))
        paths = list(dict.fromkeys(path for each in under.values() for path in each))
        sizes = [each.size for each in self._reader.look(paths)]
        if sum(sizes) > _MOST_OF_ALL_ARTIFACTS or max(sizes, default=0) > _MOST_OF_AN_ARTIFACT:
            raise Unobservable(
                ErrorKind.UNEXPECTED_REPLY, "artifacts are far larger than kernels of this program (2 kB)"
            )
        artifacts = {each.path: each for each in self._reader.look(paths, _MOST_OF_AN_ARTIFACT)}
        problems = {path: _problem(file) for path, file in artifacts.items()}
        return tuple(
            Blueprint(
                id=row.blueprint_id,
                name=row.name,
                tier=row.tier,
                path=row.artifact_path,
                problem="; ".join(
                    f"{path}: {problems[path]}" for path in under[row.blueprint_id] if problems[path]
                ),
                copies=sum(_id_of(path) == row.blueprint_id for path in listed),
                size=artifacts[self._at(row.artifact_path)].size,
                stamp=artifacts[self._at(row.artifact_path)].stamp,
                risk=row.risk,
            )
            for row in rows
        )

    def _again(self, read: Callable[[], R]) -> R:
        """Read; what changed while it was read is read once more."""
        try:
            return read()
        except Changed:
            pass
        time.sleep(_AGAIN_S)
        return read()


def _id_of(path: str) -> str:
    return path.rsplit("/", 1)[-1].removesuffix(_ARTIFACT)


def _rows(catalog: FileSeen) -> tuple[list[LibraryRow], str]:
    if catalog.content is None:
        return [], "it is not a regular file"
    try:
        return library_rows(catalog.content), ""
    except NoLibrary as wrong:
        return [], str(wrong)


def _problem(file: FileSeen) -> str:
    if not file.there:
        return "it does not exist"
    return "it is not a regular file" if file.content is None else artifact_problem(file.content)
