"""What a preview judges by: the configuration as if its guard were in enforce, or the defaults where there is none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from costwatch.config.compiler import compile_policy
from costwatch.config.model import Config, parse
from costwatch.core.accelerators import WILDCARDS
from costwatch.core.policy import Mode, Policy, Service

_JOBS: Final = tuple(kind.value for kind in Service if kind.is_sagemaker)


def default_policy(regions: Iterable[str]) -> Policy:
    """An empty costwatch.yaml with selectors that pick all jobs and every accelerator instance, enforced."""
    selectors = [
        {"name": "default", "ec2": {"types": list(WILDCARDS)}},
        *({"name": f"default-{kind}", "sagemaker": [kind]} for kind in _JOBS),
    ]
    config = parse({"version": 1, "regions": sorted(regions), "dead_man": {"selectors": selectors}})
    return enforced_policy(config, commit="")


def enforced_policy(config: Config, *, commit: str) -> Policy:
    """By `config` as it would be with `dead_man.mode: enforce`; a selector's own mode stays, and so does off."""
    dead_man = config.dead_man
    if dead_man.mode is not Mode.OFF:
        config = config.model_copy(update={"dead_man": dead_man.model_copy(update={"mode": Mode.ENFORCE})})
    return Policy.from_document(compile_policy(config, config_commit=commit))
