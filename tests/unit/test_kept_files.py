"""Files that commands write: whole or not at all, over nothing that is no regular file, and nothing is left beside."""

from __future__ import annotations

import os
import re
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from costwatch.cli import kept_files
from costwatch.errors import InputError

PAGE = f"<!doctype html>{kept_files.PAGE_MARK.decode()}"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def disk_full_after(size: int) -> Iterator[None]:
    """No file of this process may become longer than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def pipe(place: Path) -> None:
    os.mkfifo(place)


def listening_socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(place.name)


def link_to_a_pipe(place: Path) -> None:
    os.mkfifo(place.with_name("the-pipe"))
    place.symlink_to("the-pipe")


def of(place: Path) -> dict[str, tuple[int, int]]:
    """Each name there with its type and its inode."""
    return {each.name: (each.lstat().st_mode, each.lstat().st_ino) for each in place.iterdir()}


@pytest.mark.parametrize("writes", [kept_files.write, kept_files.write_page])
@pytest.mark.parametrize("special", [pipe, listening_socket, link_to_a_pipe])
def test_what_is_no_regular_file_stays_what_it_is_and_nothing_is_created_beside_it(
    here: Path, special: Callable[[Path], None], writes: Callable[[Path, str], object]
) -> None:
    special(Path("target"))
    before = of(here)
    with pytest.raises(InputError, match="target is no regular file but a device, pipe or socket"):
        writes(Path("target"), "text")
    assert of(here) == before


def test_a_device_is_told_from_a_file_by_a_look_alone() -> None:
    with pytest.raises(InputError, match="/dev/null is no regular file"):
        kept_files.require_place(Path(os.devnull))


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (".", r"\. is a directory; expected a file"),
        ("no/such.yaml", "^no is no directory"),
        ("dangling", "/no is no directory"),
        ("loop", "loop cannot be written: Too many levels of symbolic links"),
        ("x" * 300, "cannot be written: File name too long"),
        ("file/under", "cannot be written: Not a directory"),
    ],
)
def test_a_place_where_no_file_can_be_is_one_sentence(file: str, said: str) -> None:
    Path("loop").symlink_to("loop")
    Path("dangling").symlink_to("no/such.yaml")
    Path("file").touch()
    with pytest.raises(InputError, match=said):
        kept_files.require_place(Path(file))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_takes_no_files_is_said_before_anything_is_written(here: Path) -> None:
    here.chmod(0o555)
    try:
        with pytest.raises(InputError, match=re.escape(f"x.yaml cannot be written: {here} takes no files of yours")):
            kept_files.require_place(Path("x.yaml"))
    finally:
        here.chmod(0o755)


def test_a_link_to_a_file_that_is_not_there_yet_makes_that_file() -> None:
    Path("link.yaml").symlink_to("real.yaml")
    assert kept_files.write(Path("link.yaml"), "new") is None
    assert Path("link.yaml").is_symlink()
    assert Path("real.yaml").read_text("utf-8") == "new"


def test_a_disk_that_is_full_leaves_what_was_there_and_nothing_else(here: Path) -> None:
    Path("page.html").write_text(PAGE, "utf-8")
    Path("costwatch.yaml").write_text("mine", "utf-8")
    before = of(here)
    with disk_full_after(100):
        for attempt in (kept_files.write, kept_files.write_page):
            with pytest.raises(InputError, match="cannot be written: File too large"):
                attempt(Path("page.html"), PAGE + 100 * "x")
    with disk_full_after(2), pytest.raises(InputError, match="cannot be written"):  # nor is half of it kept
        kept_files.write(Path("costwatch.yaml"), "")
    assert of(here) == before
    assert (Path("page.html").read_text("utf-8"), Path("costwatch.yaml").read_text("utf-8")) == (PAGE, "mine")


def test_a_new_file_is_for_whom_the_umask_says_and_an_old_one_for_whom_it_was() -> None:
    Path("old.html").write_text(PAGE, "utf-8")
    Path("old.html").chmod(0o640)
    umask = os.umask(0o077)
    try:
        kept_files.write_page(Path("new.html"), PAGE)
        kept_files.write_page(Path("old.html"), PAGE)
    finally:
        os.umask(umask)
    assert [Path(name).stat().st_mode & 0o777 for name in ("new.html", "old.html")] == [0o600, 0o640]


@pytest.mark.parametrize("there", ["", PAGE])
def test_a_page_replaces_an_earlier_one_or_an_empty_file(here: Path, there: str) -> None:
    Path("page.html").write_text(there, "utf-8")
    kept_files.write_page(Path("page.html"), PAGE + "new")
    assert Path("page.html").read_text("utf-8") == PAGE + "new"
    assert [each.name for each in here.iterdir()] == ["page.html"]


@pytest.mark.parametrize("there", ["version: 1\n", "<!doctype html><title>mine</title>", 2000 * " " + PAGE])
def test_a_page_replaces_no_other_file(there: str) -> None:
    Path("costwatch.yaml").write_text(there, "utf-8")
    with pytest.raises(InputError, match="is there and is no page that costwatch wrote; name another file"):
        kept_files.write_page(Path("costwatch.yaml"), PAGE)
    assert Path("costwatch.yaml").read_text("utf-8") == there
