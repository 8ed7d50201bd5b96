"""The browser of the browser tests: found, or installed where that is possible, or said plainly why there is none.

`python -m tests.support.browser` (what `make test` runs first) installs Debian's chromium when no browser is there and
this is root with apt-get. Where that cannot be done the reason is kept in a file, so that the tests can say it and the
next run does not try again for a day. Playwright brings browsers of its own only from a place that is not always to
be reached; a distribution's chromium does as well.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

VARIABLE: Final = "COSTWATCH_CHROMIUM"
NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NOTE: Final = Path(sys.prefix) / ".no-browser"  # beside what was installed, gone with `make clean`
TRY_AGAIN_SECONDS: Final = 24 * 3600
_UPDATE_SECONDS, _INSTALL_SECONDS = 120, 300
_APT: Final = ("apt-get", "-qq", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20")
_INSTALL: Final = (*_APT, "install", "--yes", "--no-install-recommends", "chromium")
_HINT: Final = f"install chromium (Debian, Ubuntu: apt-get install chromium), or name one: {VARIABLE}=/path/to/chrome"


def find() -> str | None:
    """The executable, or None. What the variable names counts alone, so that a typing error is noticed."""
    named = os.environ.get(VARIABLE)
    if named:
        return shutil.which(named)
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def missing() -> str:
    """One line: why there is none, and what to do about it."""
    named = os.environ.get(VARIABLE)
    if named:
        return f"{VARIABLE} names {named}, which cannot be run"
    why = NOTE.read_text(encoding="utf-8").strip() if NOTE.exists() else ""
    return f"no browser found{f' and {why}' if why else ''}; {_HINT}"


def must_be_there() -> bool:
    """In CI (CI=true) a test that could not run is a failure, unless an install was tried and truly not possible."""
    in_ci = os.environ.get("CI", "").lower() in ("true", "1")
    return in_ci and (bool(os.environ.get(VARIABLE)) or not NOTE.exists())


def ensure() -> str | None:
    """The executable, installed if need be; None with the reason in `NOTE`."""
    found = find()
    if found or os.environ.get(VARIABLE):
        return found
    if NOTE.exists() and time.time() - NOTE.stat().st_mtime < TRY_AGAIN_SECONDS:
        return None
    why = _install()
    found = find()
    if found:
        NOTE.unlink(missing_ok=True)
    else:
        NOTE.write_text(f"{why}\n", encoding="utf-8")
    return found


def _install() -> str:
    """Empty when it worked, else why not."""
    if os.name != "posix" or os.geteuid() != 0 or not shutil.which("apt-get"):
        return "it cannot be installed from here (that takes root and apt-get)"
    print("Installing chromium for the browser tests (once; under a minute) ...", flush=True)
    failed = _run(_INSTALL, _INSTALL_SECONDS)
    if failed:  # perhaps the package lists are missing or old
        failed = _run((*_APT, "update"), _UPDATE_SECONDS) or _run(_INSTALL, _INSTALL_SECONDS)
    return f"apt-get could not install it ({failed})" if failed else ""


def _run(command: tuple[str, ...], timeout_seconds: int) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        ended = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end after {timeout_seconds} s"
    last = [line for line in ended.stderr.splitlines() if line.strip()][-1:]
    return "" if ended.returncode == 0 else " ".join(last) or f"exit code {ended.returncode}"


if __name__ == "__main__":
    if ensure() is None:
        print(f"Browser tests will not run: {missing()}", file=sys.stderr)
