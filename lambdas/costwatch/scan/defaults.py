"""What a scan judges by: the defaults of an empty costwatch.yaml, and the usual names of tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from costwatch.config.compiler import compile_policy
from costwatch.config.model import parse
from costwatch.core.policy import Policy, Service
from costwatch.core.prices import PriceTable, Rate

SELECTOR: Final = "default"
JOB_SELECTORS: Final = tuple(f"{SELECTOR}-{kind.value}" for kind in Service if kind.is_sagemaker)
OWNER_KEYS: Final = ("owner", "created-by", "createdby", "creator", "user", "contact", "email")
TEAM_KEYS: Final = ("team", "squad", "group")


class Prices(PriceTable, Protocol):
    """Prices of everything that a scan lists. Hosting has none: an endpoint's price is unknown."""

    def notebook_hourly_rate(self, instance_type: str, region: str) -> Rate | None:
        """List price of a SageMaker notebook instance type."""


def default_policy(regions: Iterable[str]) -> Policy:
    """What an empty costwatch.yaml would decide by, with selectors that pick all that this version can pick."""
    jobs = [{"name": name, "sagemaker": [name.removeprefix(f"{SELECTOR}-")]} for name in JOB_SELECTORS]
    selectors = [{"name": SELECTOR, "ec2": {}}, *jobs]
    document = {"version": 1, "regions": sorted(regions), "dead_man": {"selectors": selectors}}
    return Policy.from_document(compile_policy(parse(document), config_commit=""))


def tag_value(tagged: Iterable[Mapping[str, str] | None], default: str, others: Iterable[str]) -> str:
    """The default key's value; else one of the usual keys', whatever its case; else empty."""
    known = [tags for tags in tagged if tags]
    for tags in known:
        if tags.get(default):
            return tags[default]
    for wanted in others:
        for tags in known:
            for key, value in tags.items():
                if key.lower() == wanted and value:
                    return value
    return ""
