"""A costwatch.yaml fitted to what a scan found: in observe, and such that `check-config` accepts it."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from costwatch.config import source
from costwatch.config.model import InvalidDocument, parse
from costwatch.core.model import Member
from costwatch.core.money import show_usd
from costwatch.core.policy import PurchaseOption, Service
from costwatch.scan.inventory import Inventory
from costwatch.scan.defaults import OWNER_KEYS, TEAM_KEYS
from costwatch.scan.lines import Line

# Tags that say what an instance is for, the most telling first; others come after these, by how many carry them.
_TELLING: Final = (
    "purpose", "workload", "usage", "role", "component", "application", "app", "service", "project", "model", "team",
    "costcenter", "cost-center", "department",
)  # fmt: skip
_ENVIRONMENT: Final = ("environment", "env", "stage")
_PRODUCTION: Final = ("prod", "production", "live")
_SERVING: Final = re.compile(r"inference|serving|\bprod(uction)?\b", re.IGNORECASE)
_FOREIGN: Final = re.compile(r"aws:|costwatch:|kubernetes|k8s\.|eks:|karpenter|sagemaker:|AWSBatch", re.IGNORECASE)
_GROUPS: Final = frozenset({"asg", "fleet", "cluster"})
_MOST_SELECTORS = 20
_MOST_NAMED = 20
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


@dataclass(frozen=True, slots=True)
class _Placed:
    """One instance, where it runs."""

    region: str
    member: Member


def configuration(inventory: Inventory, lines: Sequence[Line], *, home: str) -> str:
    """The text of the file. What cannot be expressed in this version stands in its comments."""
    placed = [_Placed(line.region, m) for line in lines for m in line.members if m.service is Service.EC2]
    regions = _regions(inventory, home)
    protects = list(_protects(lines, placed))
    selectors, left = _selectors(placed)
    out = [
        f"# Fitted by `costwatch scan` to account {inventory.account}, {inventory.at:%Y-%m-%d %H:%M} UTC.",
        "# Check it with `costwatch check-config`. Mode observe: nothing is stopped and no owner hears of it;",
        "# the ledger says what would have happened.",
        "version: 1",
        f'account: "{inventory.account}"   # a deploy into any other account is refused',
        f"regions: [{', '.join(regions)}]   # {_regions_comment(inventory)}",
    ]
    unread = sorted({gap.region for gap in inventory.gaps})
    if unread:
        out.append(f"# Not wholly read, so something may be missing here: {', '.join(unread)}")
    tags = _tag_keys(placed)
    if tags:
        out.append("tags: {" + ", ".join(f"{key}: {_quoted(value)}" for key, value in tags.items()) + "}")
    out += [
        "# slack:",
        '#   platform_channel: "#ml-platform"   # holds, alarms, the daily summary',
        "dead_man:",
        "  mode: observe",
    ]
    if protects:
        out += ["  protect:   # never touched, whatever a selector says", *protects]
    out += ["  max_runtime: 12h", "  warn_before: 1h", "  min_notice: 30m", "  hard_cap: 72h"]
    sagemaker = list(_sagemaker(lines))
    out += ["  selectors:", *selectors, *sagemaker] if selectors or sagemaker else ["  selectors: []"]
    for comment in (*_groups(lines), *left):
        out.append(f"  # {comment}" if comment else "  #")
    return "\n".join(out) + "\n"


# --- regions, tag keys, protection ----------------------------------------------------------------------


def _regions(inventory: Inventory, home: str) -> list[str]:
    found = list(inventory.regions_found) or [home]
    return sorted(found, key=lambda region: (region != home, region))


def _regions_comment(inventory: Inventory) -> str:
    found = inventory.regions_found
    return "where something runs; the first is the home region" if found else "nothing was found to run"


def _tag_keys(placed: Iterable[_Placed]) -> dict[str, str]:
    """Keys that differ from the defaults, as most instances have them."""
    keys = Counter(key for each in placed for key in each.member.tags or {})
    found: dict[str, str] = {}
    for name, wanted in (("owner", OWNER_KEYS), ("team", TEAM_KEYS)):
        if keys[name]:
            continue
        alike = [(wanted.index(key.lower()), -number, key) for key, number in keys.items() if key.lower() in wanted]
        if alike:
            found[name] = min(alike)[2]
    return found


def _protects(lines: Iterable[Line], placed: Iterable[_Placed]) -> Iterator[str]:
    pairs = {pair for each in placed for pair in (each.member.tags or {}).items() if _is_production(*pair)}
    for key, value in sorted(pairs):
        yield f"    - tag: {{{_quoted(key)}: {_quoted(value)}}}"
    groups = {line.id for line in lines if line.kind == "asg" and _SERVING.search(line.id)}
    for name in sorted(groups):
        # An asg rule is a wildcard: what has a meaning in one is matched by any one character.
        yield f"    - asg: {_quoted(re.sub(r'[][*?]', '?', name))}"


def _is_production(key: str, value: str) -> bool:
    return key.lower() in _ENVIRONMENT and value.lower() in _PRODUCTION


# --- selectors ------------------------------------------------------------------------------------------


def _selectors(placed: Sequence[_Placed]) -> tuple[list[str], list[str]]:
    """The selectors' lines, and sentences about what none of them picks."""
    eligible = [each for each in placed if not _protected(each.member)]
    prepaid = [each for each in eligible if each.member.purchase is PurchaseOption.CAPACITY_BLOCK]
    usual = [each for each in eligible if each.member.purchase is not PurchaseOption.CAPACITY_BLOCK]
    ranked = _ranked_keys(usual)
    by_combination: defaultdict[tuple[int, str, str, PurchaseOption], list[_Placed]] = defaultdict(list)
    untagged: list[_Placed] = []
    for each in usual:
        tags = each.member.tags or {}
        key = next((key for key in ranked if key in tags), None)
        if key is None:
            untagged.append(each)
        else:
            by_combination[ranked.index(key), key, tags[key], each.member.purchase].append(each)
    written, refused = _written(by_combination)
    # Tags on a group's instances would be gone with the next one; the group has a line of its own.
    left = [*_about_untagged([each for each in untagged + refused if each.member.parent is None])]
    if prepaid:
        left.append(
            f"Prepaid: {len(prepaid)} instance{'s' * (len(prepaid) > 1)} in capacity blocks or reservations. They cost "
            "nothing more; to watch them, write a selector with purchase: capacity_block."
        )
    return written, left


def _ranked_keys(placed: Iterable[_Placed]) -> list[str]:
    """Tag keys to select by, best first."""
    keys = Counter(key for each in placed for key in each.member.tags or {} if _selects(key))

    def rank(key: str) -> tuple[int, int, str]:
        lowered = key.lower()
        telling = _TELLING.index(lowered) if lowered in _TELLING else len(_TELLING) + (lowered in _ENVIRONMENT)
        return telling, -keys[key], key

    return sorted(keys, key=rank)


def _selects(key: str) -> bool:
    return key != "Name" and key.lower() not in OWNER_KEYS and not _FOREIGN.match(key)


def _written(
    by_combination: Mapping[tuple[int, str, str, PurchaseOption], list[_Placed]],
) -> tuple[list[str], list[_Placed]]:
    merged: defaultdict[tuple[int, str, PurchaseOption], dict[str, list[_Placed]]] = defaultdict(dict)
    for (rank, key, value, purchase), found in by_combination.items():
        merged[rank, key, purchase][value] = found
    # One selector for each value where they are few; else one for each key with a list of values.
    apart = len(by_combination) <= _MOST_SELECTORS
    out: list[str] = []
    refused: list[_Placed] = []
    taken: set[str] = set()
    for (_rank, key, purchase), values in sorted(merged.items()):
        batches = [[value] for value in sorted(values)] if apart else [sorted(values)]
        for batch in batches:
            found = [each for value in batch for each in values[value]]
            name = _name(batch[0] if len(batch) == 1 else key, purchase, taken)
            block = _block(name, key, batch, purchase, found)
            if _accepted(block):
                taken.add(name)
                out += block
            else:
                refused += found
    return out, refused


def _block(name: str, key: str, values: Sequence[str], purchase: PurchaseOption, found: Sequence[_Placed]) -> list[str]:
    families = sorted({f"{kind.partition('.')[0]}.*" for each in found for kind, _ in each.member.capacity})
    value = _quoted(values[0]) if len(values) == 1 else f"[{', '.join(map(_quoted, values))}]"
    types = ", ".join(f'"{family}"' for family in families)
    number = len(found)
    return [
        f"    - name: {name}   # {number} instance{'s' * (number > 1)} now",
        "      ec2:",
        f"        tag: {{{_quoted(key)}: {value}}}",
        f"        types: [{types}]",
        f"        purchase: {purchase.value}",
    ]


def _name(value: str, purchase: PurchaseOption, taken: set[str]) -> str:
    ending = "-" + purchase.value.replace("_", "-")
    stem = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")[: 36 - len(ending)].strip("-") or "selector"
    name, number = stem + ending, 2
    while name in taken:
        name, number = f"{stem}{ending}-{number}", number + 1
    return name


def _accepted(block: Sequence[str]) -> bool:
    """Whether a file with this selector alone is valid: a foreign tag must not cost the others their file."""
    text = "version: 1\nregions: [us-east-1]\ndead_man:\n  selectors:\n" + "\n".join(block) + "\n"
    try:
        read = source.read(text.encode())
        if read.problems:
            return False
        parse(read.document)
    except (source.UnreadableSource, InvalidDocument, UnicodeEncodeError):
        return False
    return True


def _sagemaker(lines: Iterable[Line]) -> Iterator[str]:
    counts = Counter(line.kind for line in lines)
    if counts["training"]:
        yield "    - name: sagemaker"
        yield "      sagemaker: [training]   # to enforce it, name a tag: {jobs: [training], tag: {...}}"
    others = [f"{counts[kind]} {word}{'s' * (counts[kind] > 1)}" for kind, word in _OTHERS if counts[kind]]
    if others:
        yield f"    # Listed by scan and not stopped in this version: {', '.join(others)}."


_OTHERS = (("tuning", "tuning job"), ("automl", "AutoML job"), ("processing", "processing job"),
           ("notebook", "notebook"), ("endpoint", "endpoint"))  # fmt: skip


# --- what no selector can say -------------------------------------------------------------------------------


def _groups(lines: Iterable[Line]) -> Iterator[str]:
    groups = [line for line in lines if line.kind in _GROUPS]
    if not groups:
        return
    yield "Groups: what a controller would relaunch is recognised, held and reported, never stopped in this version:"
    for line in groups[:_MOST_NAMED]:
        what = " + ".join(f"{count} x {kind}" for kind, count in line.capacity or ())
        yield f"  {line.region} {_in_comment(line.group)}: {what}, {_an_hour(line.hourly_rate_usd)}"
    if len(groups) > _MOST_NAMED:
        yield f"  and {len(groups) - _MOST_NAMED} more"


def _about_untagged(untagged: Sequence[_Placed]) -> Iterator[str]:
    if not untagged:
        return
    number = len(untagged)
    yield f"Untagged: {number} accelerator instance{'s' * (number > 1)} without a tag that a selector could name."
    yield "They are listed as unwatched and never touched. To have them watched, tag them and add a selector:"
    regions = Counter(each.region for each in untagged)
    for region in sorted(regions):
        ids = sorted(each.member.id for each in untagged if each.region == region)
        more = f"   # and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
        tags = "--tags Key=Purpose,Value=ml-training"
        yield f"  aws ec2 create-tags --region {region} --resources {' '.join(ids[:_MOST_NAMED])} {tags}{more}"


def _protected(member: Member) -> bool:
    return any(_is_production(key, value) for key, value in (member.tags or {}).items())


def _an_hour(rate: Decimal | None) -> str:
    return f"{show_usd(rate)} an hour" if rate is not None else "price unknown"


def _in_comment(text: str) -> str:
    """Foreign text that cannot end its comment: YAML knows more line breaks than a newline."""
    return json.dumps(text)[1:-1]


def _quoted(text: str) -> str:
    """A YAML scalar that is text, whatever it says; a tag's `yes` must not become true."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return json.dumps(text, ensure_ascii=False)
