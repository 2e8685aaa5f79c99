"""The evidence bundle: one archive of a run that can be attached to a post-mortem and judged again anywhere."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import tarfile
import zlib
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opsverify.evidence.redaction import Redactor
    from opsverify.target.file import Target

__all__ = [
    "BundleError",
    "is_bundle",
    "read_member",
    "redacted_target",
    "versions",
    "writable_path",
    "write_bundle",
]

_SUMS = "SHA256SUMS"
_MOST_BYTES = 512 * 1024 * 1024
"""What is unpacked of one member at most: a bundle may come from anywhere."""


class BundleError(Exception):
    """An archive is not a bundle, is damaged, or lacks a member. The message names archive and member."""


def writable_path(path: Path) -> Path:
    """`path` made absolute, after a test that an archive can be written there.

    Raises:
        pytest.UsageError: it cannot.
    """
    path = path.absolute()
    try:
        if not path.name.endswith((".tar.gz", ".tgz")):
            msg = f"--bundle {path}: must end with .tar.gz"
            raise pytest.UsageError(msg)
        part = _part(path)
        part.touch()
        part.unlink()
    except OSError as error:
        msg = f"--bundle {path}: cannot be written ({error.strerror})"
        raise pytest.UsageError(msg) from None
    return path


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def write_bundle(path: Path, files: Mapping[str, Path], texts: Mapping[str, str]) -> None:
    """Pack `files` (name in the archive → file) and `texts` (name → content), with checksums; `path` is whole or not there.

    Raises:
        OSError: it could not be written, or a file could not be read.
    """
    part, sums = _part(path), list[str]()
    try:
        with tarfile.open(part, "w:gz", format=tarfile.PAX_FORMAT) as archive:
            for name, file in files.items():
                sums.append(_add(archive, name, file.read_bytes()))
            for name, text in texts.items():
                sums.append(_add(archive, name, text.encode()))
            _add(archive, _SUMS, "".join(sums).encode())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> str:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    archive.addfile(entry, io.BytesIO(content))
    return f"{hashlib.sha256(content).hexdigest()}  {name}\n"


def versions() -> str:
    """Python, the platform, and every installed distribution, a line each."""
    installed = sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()}, key=str.lower)
    return "\n".join([f"python {platform.python_version()}", platform.platform(), *installed]) + "\n"


def redacted_target(target: Target, redactor: Redactor) -> str:
    """The target as it was read, without its secrets."""
    return json.dumps(redactor.data(target.model_dump(mode="json")), indent=1) + "\n"


def is_bundle(path: Path) -> bool:
    """Whether `path` is to be read as an archive."""
    return path.is_file() and path.name.endswith((".tar.gz", ".tgz"))


def read_member(path: Path, name: str) -> bytes:
    """The content of one member, compared with its checksum. Nothing is unpacked to disk.

    Raises:
        BundleError: no archive, no such member, too large, or not what was packed.
    """
    try:
        with tarfile.open(path, "r:gz") as archive:
            listed = (line.split("  ", 1) for line in _read(archive, _SUMS).decode().splitlines())
            sums = {member: digest for digest, member in listed}
            content = _read(archive, name)
    except KeyError:
        msg = f"{path}: contains no {name}; it is not an opsverify bundle"
        raise BundleError(msg) from None
    except (OSError, EOFError, ValueError, tarfile.TarError, zlib.error) as error:
        msg = f"{path}: cannot be read as a bundle: {error}"
        raise BundleError(msg) from None
    if sums.get(name) != hashlib.sha256(content).hexdigest():
        msg = f"{path}: {name} was changed after it was packed (its checksum differs)"
        raise BundleError(msg)
    return content


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    entry = archive.getmember(name)
    file = archive.extractfile(entry) if entry.isfile() else None
    if file is None or entry.size > _MOST_BYTES:
        msg = f"{name} is not a regular file, or is larger than {_MOST_BYTES // 1024**2} MiB"
        raise ValueError(msg)
    return file.read(_MOST_BYTES)
