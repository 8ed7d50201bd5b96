"""Write a file that somebody may have worked on: whole or not at all, and what it was is kept beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile

from costwatch.errors import InputError


def write(file: Path, text: str, check: Callable[[Path], None] = lambda _partial: None) -> Path | None:
    """Write `text` to `file`, or to what it links to, after `check` took a copy of it.

    Where the old content is kept: a new name each time; None: there was none. Raises InputError where it cannot be
    written, and what `check` raises; nothing has changed then.
    """
    target = file.resolve()
    try:
        with NamedTemporaryFile(dir=target.parent, prefix=".costwatch-", delete=False) as new:
            new.write(text.encode())
        partial = Path(new.name)
        try:
            check(partial)
            backup = _kept(target) if target.exists() else None
            partial.chmod(target.stat().st_mode & 0o777 if backup is not None else 0o644)
            os.replace(partial, target)  # noqa: PTH105 - the same, by names
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}") from error
    return backup


def _kept(target: Path) -> Path:
    """A copy under the first free name; an older copy is never written over."""
    old = target.read_bytes()
    number = 1
    while True:
        backup = target.with_name(f"{target.name}.bak{number if number > 1 else ''}")
        try:
            with backup.open("xb") as kept:
                kept.write(old)
        except FileExistsError:
            number += 1
            continue
        backup.chmod(target.stat().st_mode & 0o777)
        return backup
