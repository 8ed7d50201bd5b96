"""The compiled policy of a configuration, kept between commands: to validate it anew is a sixth of a command's time.

A file below the user's cache directory, under a digest of the configuration's bytes and of whatever judges them. Only
what was valid is kept. Whoever deletes it waits a moment longer once.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

import botocore

from costwatch import __version__, config
from costwatch.cli.model_cache import cache_directory
from costwatch.config.commit import config_commit
from costwatch.core import policy
from costwatch.core.policy import FORMAT_VERSION, digest_of

_MOST: Final = 20


def policy_document(path: Path, environ: Mapping[str, str]) -> Mapping[str, Any]:
    """As `config.loader.load` compiles it. Raises ConfigError as that does."""
    try:
        kept = cache_directory(environ) / f"policy-{_key(path.read_bytes())}.json"
    except (OSError, RuntimeError):
        return _compiled(path)
    with suppress(OSError, ValueError, LookupError, TypeError):
        body = json.loads(kept.read_text("utf-8"))
        if digest_of(body["policy"]) == body["digest"]:
            return {"format": FORMAT_VERSION, "config_commit": config_commit(path), **body}
    document = _compiled(path)
    with suppress(OSError):
        _keep(kept, {"digest": document["digest"], "policy": document["policy"]})
    return document


def _compiled(path: Path) -> Mapping[str, Any]:
    from costwatch.config.loader import load  # noqa: PLC0415 - pydantic is what is not waited for

    return load(path).policy_document


def _key(content: bytes) -> str:
    """Of the file, and of what judges it: our own code, and botocore, which knows the regions."""
    found = hashlib.sha256(f"{__version__} {botocore.__version__}".encode())
    core = Path(policy.__file__).parent
    ours = [core / f"{name}.py" for name in ("policy", "res_policy", "durations")]
    for judge in sorted([*Path(config.__file__).parent.glob("*.py"), *ours]):
        state = judge.stat()
        found.update(f"{judge.name} {state.st_mtime_ns} {state.st_size}".encode())
    found.update(content)
    return found.hexdigest()[:32]


def _keep(file: Path, body: Mapping[str, Any]) -> None:
    """Whole or not at all; the oldest go when there are many."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with NamedTemporaryFile("w", dir=file.parent, prefix="partial-", delete=False, encoding="utf-8") as partial:
        json.dump(body, partial)
    os.replace(partial.name, file)  # noqa: PTH105 - the same, by names
    others = sorted(file.parent.glob("policy-*.json"), key=lambda each: each.stat().st_mtime, reverse=True)
    for old in others[_MOST:]:
        old.unlink(missing_ok=True)
