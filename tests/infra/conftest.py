"""One synthesis of each configuration for all infrastructure tests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.synth import Synthesized, synthesize_all


@pytest.fixture(scope="session")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Synthesized]:
    """`observe`, `enforce`, `boundary`, `large`, `models` and `gated`, synthesized."""
    return synthesize_all(tmp_path_factory.mktemp("synth") / "out")


@pytest.fixture(scope="session")
def templates(assemblies: dict[str, Synthesized]) -> dict[str, dict[str, Any]]:
    """The templates by name of configuration."""
    return {name: assembly.template for name, assembly in assemblies.items()}


@pytest.fixture(scope="session", params=["observe", "enforce", "boundary", "large", "models"])
def assembly(request: pytest.FixtureRequest, assemblies: dict[str, Synthesized]) -> Synthesized:
    """Each configuration in turn."""
    return assemblies[request.param]


@pytest.fixture(scope="session")
def observe(assemblies: dict[str, Synthesized]) -> Synthesized:
    return assemblies["observe"]


@pytest.fixture(scope="session")
def enforce(assemblies: dict[str, Synthesized]) -> Synthesized:
    return assemblies["enforce"]


@pytest.fixture(scope="session")
def gated(assemblies: dict[str, Synthesized]) -> Synthesized:
    return assemblies["gated"]


@pytest.fixture(scope="session")
def large(assemblies: dict[str, Synthesized]) -> Synthesized:
    return assemblies["large"]
