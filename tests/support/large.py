"""A configuration as a large organisation writes it: 40 teams, 50 selectors in enforce, each with its own tag."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from costwatch.config import loader
from costwatch.config.loader import Loaded

SELECTORS = 50
TEAMS = 40
REGIONS = ("us-east-1", "eu-central-1", "us-west-2", "ap-southeast-2")
_FAMILIES = ("p4d", "p5", "p5en", "g5", "g6", "g6e", "trn1", "trn2", "inf2")
_PURCHASES = ("spot", "on_demand", "capacity_block", None)
_TRAINING_EVERY = 4  # each fourth selector is about SageMaker jobs


def large_yaml() -> str:
    """The text of costwatch.yaml. JSON's brackets are YAML's too, so lists and mappings are written that way."""
    channels = {f"team-{n:02}": f"#ml-team-{n:02}-alerts" for n in range(TEAMS)}
    lines = [
        "version: 1",
        f"regions: {json.dumps(REGIONS)}",
        f'slack: {{platform_channel: "#ml-platform", team_channels: {json.dumps(channels)}}}',
        "dead_man:",
        "  mode: observe",
        '  protect: [{tag: {Environment: prod}}, {tag: {Tier: ["0", "1"]}}, {asg: "inference-*"}]',
        "  selectors:",
    ]
    return "\n".join([*lines, *_selectors(), ""])


def load_large(directory: Path, name: str = "large.yaml") -> Loaded:
    """The file, read as a deploy reads it."""
    path = directory / name
    path.write_text(large_yaml(), "utf-8")
    return loader.load(path)


def _selectors() -> Iterator[str]:
    for n in range(SELECTORS):
        # Half share one tag key, as most organisations would; the others bring a key of their own.
        tag = {"Team": f"team-{n:02}"} if n % 2 else {f"example.com/training-of-team-{n:02}": "watched"}
        families = [_FAMILIES[(n + step) % len(_FAMILIES)] for step in range(2 + n % 3)]
        if n % _TRAINING_EVERY == 0:
            picked = {"jobs": ["training"], "tag": tag, "types": [f"ml.{family}.*" for family in families]}
            service = f"sagemaker: {json.dumps(picked)}"
        else:
            instances = {"tag": tag, "types": [f"{family}.*" for family in families]}
            purchase = _PURCHASES[n // 2 % len(_PURCHASES)]
            service = f"ec2: {json.dumps(instances | ({'purchase': purchase} if purchase else {}))}"
        yield f"    - {{name: trainers-of-team-{n:02}-under-long-name, mode: enforce, {service}}}"
