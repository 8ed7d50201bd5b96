"""What the command line needs of EC2's and SageMaker's models, kept between commands: a tenth of a command's time.

One directory for each version of botocore and list of calls, below the user's own cache directory. Whoever deletes it
waits a moment longer once. It holds nothing of anybody's account.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import botocore

from costwatch import names, service_models
from costwatch.cli.read_only import ALLOWED

_LARGE: Final = ("ec2", "sagemaker")
_MODEL: Final = "service-2"


def prefer_small_models(loader: Any, environ: Mapping[str, str]) -> None:
    """From now on `loader` (botocore's) finds the small models first. Where none can be written, all stays as it is."""
    calls = {service: sorted(ALLOWED[service]) for service in _LARGE}
    digest = hashlib.sha256(json.dumps(calls).encode()).hexdigest()[:16]
    directory = cache_directory(environ) / f"botocore-{botocore.__version__}-{digest}"
    try:
        if not directory.is_dir():
            _write(directory, loader, calls)
    except (OSError, KeyError, ValueError, RuntimeError):
        return  # no home, no room, no right, another botocore: then the large ones are read
    loader.search_paths.insert(0, str(directory))


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Of this program, below the user's own. Raises RuntimeError for a user without a home."""
    named = Path(environ.get("XDG_CACHE_HOME", ""))
    return (named if named.is_absolute() else Path.home() / ".cache") / names.PROJECT


def _write(directory: Path, loader: Any, calls: Mapping[str, list[str]]) -> None:
    """Whole or not at all: commands run beside each other. What other versions left is taken away."""
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = Path(mkdtemp(prefix="partial-", dir=directory.parent))
    try:
        for service, operations in calls.items():
            model = loader.load_service_model(service, _MODEL)
            to = partial / service / loader.determine_latest_version(service, _MODEL) / f"{_MODEL}.json"
            to.parent.mkdir(parents=True)
            to.write_text(json.dumps(service_models.only(model, operations), separators=(",", ":")), "utf-8")
        for other in directory.parent.glob("botocore-*"):
            shutil.rmtree(other, ignore_errors=True)
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
