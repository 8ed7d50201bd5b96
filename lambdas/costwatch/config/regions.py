"""The regions AWS has, as far as the installed boto3 knows."""

from __future__ import annotations

import difflib
import importlib.util
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path


def known() -> frozenset[str]:
    """Regions of every partition; empty where botocore's list cannot be read, which then refuses nothing."""
    return frozenset(_partitions())


def partition(region: str) -> str:
    """`aws`, `aws-cn`, ...; empty where it is not known."""
    return _partitions().get(region, "")


@cache
def _partitions() -> dict[str, str]:
    """Each region's partition.

    The file is read directly: botocore's own way to it imports half of botocore, 0.2 s for one list.
    """
    package = importlib.util.find_spec("botocore")
    for folder in (package.submodule_search_locations or ()) if package else ():
        try:
            document = json.loads(Path(folder, "data", "partitions.json").read_text("utf-8"))
            named = {region: each["id"] for each in document["partitions"] for region in each["regions"]}
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return {region: each for region, each in named.items() if not region.endswith("-global")}
    return {}


def problem(region: str) -> str:
    """Why `region`, which is spelt as regions are, is none; empty for one that is known."""
    regions = known()
    if not regions or region in regions:
        return ""
    near = difflib.get_close_matches(region, sorted(regions), n=5, cutoff=0.7)
    # `us-esat-1` is as near to us-west-1 as to us-east-1; letters that changed places are the likelier slip.
    meant = next((each for each in near if sorted(each) == sorted(region)), near[0] if near else "")
    hint = f"; did you mean {meant!r}?" if meant else "."
    return (
        f"is no AWS region that boto3 {version('boto3')} knows{hint} "
        "A newer region needs a newer boto3: raise its pins in constraints.txt"
    )
