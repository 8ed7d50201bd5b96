"""Which commit a configuration is of: it stands on every row of the ledger."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

UNCOMMITTED = "uncommitted"
_GIT_TIMEOUT_SECONDS = 10


def config_commit(path: Path) -> str:
    """The git commit that last changed the file at `path`, for the ledger.

    `<commit>`: the file is exactly as committed. `<commit>-dirty`: it was edited since. `uncommitted`: git does not
    know the file, or there is no git. Never raises: a missing commit must not stand in the way of a check or deploy.
    """
    file = path.resolve()
    commit = _git(file.parent, "log", "-1", "--format=%H", "--", file.name)
    if not commit:
        return UNCOMMITTED
    changed = _git(file.parent, "status", "--porcelain", "--untracked-files=all", "--", file.name)
    if changed is None or changed.startswith("??"):
        return UNCOMMITTED
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *arguments: str) -> str | None:
    """What git printed, stripped; None when it failed, hung or is not there."""
    # A hook runs with GIT_DIR and GIT_INDEX_FILE set, which would answer for another repository.
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"GIT_LITERAL_PATHSPECS": "1", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        answer = subprocess.run(  # noqa: S603 - fixed arguments and no shell; the path follows `--`
            ["git", *arguments],  # noqa: S607 - the user's own git, wherever it is
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
