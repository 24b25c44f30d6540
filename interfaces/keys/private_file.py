"""Small files that only their owner may read: secrets and keys."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LARGEST_BYTES = 4096


class PrivateFileError(Exception):
    """Says which file, what is wrong with it, and what to do."""


def read_or_create(path: Path, make: Callable[[], str]) -> str:
    """Return the text of a private file; when it is not there, write what `make` returns.

    Several programs may call it at once: all get the text of the one that came first, and none
    ever sees a part of it. Raises PrivateFileError: others may read the file, it is empty, or
    it can be neither read nor written.
    """
    try:
        try:
            return _read(path)
        except FileNotFoundError:
            _create(path, make())
            return _read(path)
    except OSError as failure:
        raise PrivateFileError(
            f"{path}: {failure.strerror}; make its directory readable and writable for this user"
        ) from failure


def _read(path: Path) -> str:
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        octets = file.read(LARGEST_BYTES)
    if mode & 0o077:
        raise PrivateFileError(f"{path}: others may read it (mode {mode:04o}); chmod 600 {path}")
    text = octets.decode("ascii", "replace").strip()
    if not text:
        raise PrivateFileError(f"{path}: is empty; restore it from a backup, or remove it")
    return text


def _create(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        # A link never replaces what is there: whoever comes second keeps the first's text.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
