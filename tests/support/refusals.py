"""How a costwatch.yaml is refused: what a person reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from costwatch.config import loader
from costwatch.errors import ConfigError

TOP = "version: 1\nregions: [us-east-1]\n"
"""What every file begins with: what a test writes after it begins on line 3."""


def refusal(tmp_path: Path, content: str | bytes) -> list[str]:
    """The lines of the refusal, with the folder taken off."""
    path = tmp_path / "costwatch.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as raised:
        loader.load(path)
    return [line.removeprefix(f"{tmp_path}/") for line in str(raised.value).splitlines()]
