"""Write a file that somebody may have worked on: whole or not at all, and nothing that was there is lost."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from costwatch.errors import InputError

PAGE_MARK: Final = b'<meta name="generator" content="costwatch">'
"""In the head of each page that `write_page` may write over."""
NO_PAGE: Final = "is there and is no page that costwatch wrote; name another file, or move it away"
_HEAD_BYTES: Final = 2000


def require_place(file: Path) -> None:
    """Raises InputError where no regular file is and none could be. Writes nothing.

    A device, a pipe, a socket, and what links to one, would be replaced by a file, or block whoever opens it.
    """
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        folder = file.resolve().parent
        if not folder.is_dir():
            raise InputError(f"{file.parent if not file.is_symlink() else folder} is no directory") from None
    except OSError as error:
        raise _unwritable(file, error) from error
    else:
        folder = file.resolve().parent
        if stat.S_ISDIR(mode):
            raise InputError(f"{file} is a directory; expected a file")
        if not stat.S_ISREG(mode):
            raise InputError(f"{file} is no regular file but a device, pipe or socket, which is left alone")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{file} cannot be written: {folder} takes no files of yours")


def write(file: Path, text: str, check: Callable[[Path], None] = lambda _partial: None) -> Path | None:
    """Write `text` to `file`, or to what it links to, after `check` took a copy of it.

    Where the old content is kept: a new name each time; None: there was none. Raises InputError where it cannot be
    written, and what `check` raises; nothing has changed then.
    """
    return _replaced(file, text, check, keep=True)


def may_hold_page(file: Path) -> bool:
    """Whether nothing would be lost if a page were written there: no file, an empty one, or an earlier page."""
    try:
        with file.open("rb") as there:
            head = there.read(_HEAD_BYTES)
    except FileNotFoundError:
        return True
    except OSError as error:
        raise _unwritable(file, error) from error
    return not head or PAGE_MARK in head


def write_page(file: Path, text: str) -> None:
    """Write a page, over an earlier one at most. Raises InputError where it cannot be written; nothing has changed."""
    require_place(file)
    if not may_hold_page(file):
        raise InputError(f"{file} {NO_PAGE}")
    _replaced(file, text, lambda _partial: None, keep=False)


def _replaced(file: Path, text: str, check: Callable[[Path], None], *, keep: bool) -> Path | None:
    require_place(file)
    target = file.resolve()
    partial = target.with_name(f".costwatch-{secrets.token_hex(8)}")
    try:
        there = target.exists()
        try:
            with partial.open("xb") as new:
                if there:
                    partial.chmod(target.stat().st_mode & 0o777)
                new.write(text.encode())
            check(partial)
            backup = _kept(target) if there and keep else None
            os.replace(partial, target)  # noqa: PTH105 - the same, by names
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(file, error) from error
    return backup


def _unwritable(file: Path, error: OSError) -> InputError:
    return InputError(f"{file} cannot be written: {error.strerror}")


def _kept(target: Path) -> Path:
    """A copy under the first free name; an older copy is never written over."""
    old = target.read_bytes()
    number = 1
    while True:
        backup = target.with_name(f"{target.name}.bak{number if number > 1 else ''}")
        try:
            kept = backup.open("xb")
        except FileExistsError:
            number += 1
            continue
        try:
            with kept:
                backup.chmod(target.stat().st_mode & 0o777)
                kept.write(old)
        except OSError:
            backup.unlink(missing_ok=True)
            raise
        return backup
