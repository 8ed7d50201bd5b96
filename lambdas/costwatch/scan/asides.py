"""What no selector can say stands in the fitted file's comments: groups, and instances without a tag."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from costwatch.core.model import Member
from costwatch.core.money import show_usd
from costwatch.scan.lines import Line

_GROUPS: Final = frozenset({"asg", "fleet", "cluster"})
_MOST_NAMED = 20
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


@dataclass(frozen=True, slots=True)
class Placed:
    """One instance, where it runs."""

    region: str
    member: Member


def groups(lines: Iterable[Line]) -> Iterator[str]:
    """One sentence for each group, the dearest first."""
    found = [line for line in lines if line.kind in _GROUPS]
    if not found:
        return
    yield "Groups: an Auto Scaling group is held at its minimum size while at_min_size is hold, as it is here; what any"
    yield "other controller would relaunch is reported with its owner and never stopped in this version:"
    for line in found[:_MOST_NAMED]:
        what = " + ".join(f"{count} x {kind}" for kind, count in line.capacity or ())
        yield f"  {line.region} {_in_comment(line.group)}: {what}, {_an_hour(line.hourly_rate_usd)}"
    if len(found) > _MOST_NAMED:
        yield f"  and {len(found) - _MOST_NAMED} more"


def untagged(instances: Sequence[Placed]) -> Iterator[str]:
    """How to have them watched; the ids of twenty a region."""
    if not instances:
        return
    number = len(instances)
    yield f"Untagged: {number} accelerator instance{'s' * (number > 1)} without a tag that a selector could name."
    yield "They are listed as unwatched and never touched. To have them watched, tag them and add a selector:"
    regions = Counter(each.region for each in instances)
    for region in sorted(regions):
        ids = sorted(each.member.id for each in instances if each.region == region)
        more = f"   # and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
        tags = "--tags Key=Purpose,Value=ml-training"
        yield f"  aws ec2 create-tags --region {region} --resources {' '.join(ids[:_MOST_NAMED])} {tags}{more}"


def _an_hour(rate: Decimal | None) -> str:
    return f"{show_usd(rate)} an hour" if rate is not None else "price unknown"


def _in_comment(text: str) -> str:
    """Foreign text that cannot end its comment: YAML knows more line breaks than a newline."""
    return json.dumps(text)[1:-1]


def quoted(text: str) -> str:
    """A YAML scalar that is text, whatever it says; a tag's `yes` must not become true."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
