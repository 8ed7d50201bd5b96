"""The type checker reads the services of the CDK that we use and those their classes derive from, and no others."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLASS = re.compile(r"^class \w+\(([^)]*)\):", re.MULTILINE)
ALIAS = re.compile(r"^    import (aws_cdk[\w.]*) as (\w+)$", re.MULTILINE)
ALWAYS = {"aws_cdk", "aws_cdk._jsii.*", "aws_cdk.interfaces.*", "aws_cdk.cx_api"}
"""The CDK itself, what any service refers to, and what a synthesis answers."""


def test_the_type_checker_reads_each_service_that_we_use_or_whose_classes_those_derive_from() -> None:
    expected, found = set(_used()), set[str]()
    while expected - found:
        module = (expected - found).pop()
        found.add(module)
        expected |= {base for base in _bases(module) if not base.startswith("aws_cdk.interfaces")}
    assert "aws_cdk.aws_lambda" in expected, "what we use was not found"
    assert "aws_cdk.aws_ec2" in expected, "a Lambda function derives from what has EC2 connections"
    assert _followed() == expected | ALWAYS


def _followed() -> set[str]:
    """Modules of the CDK that mypy's configuration excepts from `follow_imports = "skip"`."""
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mypy"]["overrides"]
    [followed] = [each["module"] for each in overrides if each.get("follow_imports") == "normal"]
    return set(followed)


def _used() -> Iterator[str]:
    """Each module of the CDK that is imported, or named as an attribute of `cdk`."""
    yield "aws_cdk"
    for top in ("infra", "tests", "demo", "lambdas"):
        for path in (ROOT / top).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = []
                if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                    names = [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
                elif isinstance(node, ast.Import):
                    names = [each.name for each in node.names]
                elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cdk":
                    names = [f"aws_cdk.{node.attr}"]
                yield from (name for name in names if name.split(".")[0] == "aws_cdk" and _source(name).exists())


def _bases(module: str) -> set[str]:
    """Modules of the CDK whose classes a class of this one derives from."""
    text = _source(module).read_text("utf-8")
    modules = {alias: name for name, alias in ALIAS.findall(text)}
    bases = {base.split(".")[0].strip() for bases in CLASS.findall(text) for base in bases.split(",")}
    return {modules[base] for base in bases & set(modules)}


def _source(module: str) -> Path:
    spec = find_spec("aws_cdk")  # of a service's module it would import the CDK, which starts Node
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent.joinpath(*module.split(".")[1:], "__init__.py")
