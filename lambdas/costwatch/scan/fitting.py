"""A costwatch.yaml fitted to what a scan found: in observe, and such that `check-config` accepts it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from costwatch.config import source
from costwatch.config.fields import JOB_KINDS
from costwatch.config.model import InvalidDocument, parse
from costwatch.core.model import Member
from costwatch.core.policy import PurchaseOption, Service
from costwatch.scan import asides
from costwatch.scan.asides import Placed, quoted
from costwatch.scan.defaults import OWNER_KEYS, TEAM_KEYS
from costwatch.scan.inventory import Inventory
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
_MOST_SELECTORS = 20


@dataclass(frozen=True, slots=True)
class Fitted:
    """Parts of a file that fit what was found. `protects` and `selectors` are lines of YAML, as they stand in it."""

    regions: tuple[str, ...]
    """The first is the home region."""
    regions_comment: str
    unread: tuple[str, ...]
    tags: Mapping[str, str]
    """Keys that differ from the defaults."""
    protects: tuple[str, ...]
    selectors: tuple[str, ...]
    asides: tuple[str, ...]
    """What no selector can say: sentences, and empty ones between them."""


def fitted(inventory: Inventory, lines: Sequence[Line], *, home: str, kinds: Collection[Service] = ()) -> Fitted:
    """What fits. `home` becomes the home region where something runs in it; jobs of `kinds` are picked, too."""
    placed = [Placed(line.region, m) for line in lines for m in line.members if m.service is Service.EC2]
    selectors, left = _selectors(placed)
    return Fitted(
        regions=tuple(_regions(inventory, home)),
        regions_comment=_regions_comment(inventory),
        unread=tuple(sorted({gap.region for gap in inventory.gaps})),
        tags=_tag_keys(placed),
        protects=tuple(_protects(lines, placed)),
        selectors=(*selectors, *_sagemaker(lines, kinds)),
        asides=(*asides.groups(lines), *left),
    )


def configuration(inventory: Inventory, lines: Sequence[Line], *, home: str) -> str:
    """The text of the file. What cannot be expressed in this version stands in its comments."""
    found = fitted(inventory, lines, home=home)
    out = [
        f"# Fitted by `costwatch scan` to account {inventory.account}, {inventory.at:%Y-%m-%d %H:%M} UTC.",
        "# Check it with `costwatch check-config`. Mode observe: nothing is stopped and no owner hears of it;",
        "# the ledger says what would have happened.",
        "version: 1",
        f'account: "{inventory.account}"   # a deploy into any other account is refused',
        f"regions: [{', '.join(found.regions)}]   # {found.regions_comment}",
    ]
    if found.unread:
        out.append(f"# Not wholly read, so something may be missing here: {', '.join(found.unread)}")
    out += tag_lines(found)
    out += [
        "# slack:",
        '#   platform_channel: "#ml-platform"   # holds, alarms, the daily summary',
        "dead_man:",
        "  mode: observe",
        *protect_lines(found),
        "  max_runtime: 12h",
        "  warn_before: 1h",
        "  min_notice: 30m",
        "  hard_cap: 72h",
    ]
    out += ["  selectors:", *found.selectors] if found.selectors else ["  selectors: []"]
    return "\n".join([*out, *aside_lines(found)]) + "\n"


def tag_lines(found: Fitted) -> list[str]:
    """The section `tags`, where a key differs from its default."""
    said = ", ".join(f"{key}: {quoted(value)}" for key, value in found.tags.items())
    return [f"tags: {{{said}}}"] if said else []


def protect_lines(found: Fitted) -> list[str]:
    """`dead_man.protect`, where anything is."""
    comment = "  protect:   # never touched, whatever a selector says"
    return [comment, *found.protects] if found.protects else []


def aside_lines(found: Fitted) -> list[str]:
    """As comments behind the selectors."""
    return [f"  # {comment}" if comment else "  #" for comment in found.asides]


# --- regions, tag keys, protection ----------------------------------------------------------------------


def _regions(inventory: Inventory, home: str) -> list[str]:
    found = list(inventory.regions_found) or [home]
    return sorted(found, key=lambda region: (region != home, region))


def _regions_comment(inventory: Inventory) -> str:
    found = inventory.regions_found
    return "where something runs; the first is the home region" if found else "nothing was found to run"


def _tag_keys(placed: Iterable[Placed]) -> dict[str, str]:
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


def _protects(lines: Iterable[Line], placed: Iterable[Placed]) -> Iterator[str]:
    pairs = {pair for each in placed for pair in (each.member.tags or {}).items() if _is_production(*pair)}
    for key, value in sorted(pairs):
        yield f"    - tag: {{{quoted(key)}: {quoted(value)}}}"
    groups = {line.id for line in lines if line.kind == "asg" and _SERVING.search(line.id) and line.id.isprintable()}
    for name in sorted(groups):
        # An asg rule is a wildcard: what has a meaning in one is matched by any one character.
        yield f"    - asg: {quoted(re.sub(r'[][*?]', '?', name))}"


def _is_production(key: str, value: str) -> bool:
    return key.lower() in _ENVIRONMENT and value.lower() in _PRODUCTION


# --- selectors ------------------------------------------------------------------------------------------


def _selectors(placed: Sequence[Placed]) -> tuple[list[str], list[str]]:
    """The selectors' lines, and sentences about what none of them picks."""
    eligible = [each for each in placed if not _protected(each.member)]
    prepaid = [each for each in eligible if each.member.purchase is PurchaseOption.CAPACITY_BLOCK]
    usual = [each for each in eligible if each.member.purchase is not PurchaseOption.CAPACITY_BLOCK]
    ranked = _ranked_keys(usual)
    by_combination: defaultdict[tuple[int, str, str, PurchaseOption], list[Placed]] = defaultdict(list)
    untagged: list[Placed] = []
    for each in usual:
        tags = each.member.tags or {}
        key = next((key for key in ranked if key in tags), None)
        if key is None:
            untagged.append(each)
        else:
            by_combination[ranked.index(key), key, tags[key], each.member.purchase].append(each)
    written, refused = _written(by_combination)
    # Tags on a group's instances would be gone with the next one; the group has a line of its own.
    left = [*asides.untagged([each for each in untagged + refused if each.member.parent is None])]
    if prepaid:
        left.append(
            f"Prepaid: {len(prepaid)} instance{'s' * (len(prepaid) > 1)} in capacity blocks or reservations. They cost "
            "nothing more; to watch them, write a selector with purchase: capacity_block."
        )
    return written, left


def _ranked_keys(placed: Iterable[Placed]) -> list[str]:
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
    by_combination: Mapping[tuple[int, str, str, PurchaseOption], list[Placed]],
) -> tuple[list[str], list[Placed]]:
    merged: defaultdict[tuple[int, str, PurchaseOption], dict[str, list[Placed]]] = defaultdict(dict)
    for (rank, key, value, purchase), found in by_combination.items():
        merged[rank, key, purchase][value] = found
    # One selector for each value where they are few; else one for each key with a list of values.
    apart = len(by_combination) <= _MOST_SELECTORS
    out: list[str] = []
    refused: list[Placed] = []
    taken: set[str] = set()
    for (_rank, key, purchase), values in sorted(merged.items()):
        batches = [[value] for value in sorted(values)] if apart else [sorted(values)]
        for batch in batches:
            found = [each for value in batch for each in values[value]]
            name = _name(batch[0] if len(batch) == 1 else key, purchase, taken)
            block = _block(name, key, batch, purchase, found)
            if _accepted(block, key, batch):
                taken.add(name)
                out += block
            else:
                refused += found
    return out, refused


def _block(name: str, key: str, values: Sequence[str], purchase: PurchaseOption, found: Sequence[Placed]) -> list[str]:
    families = sorted({f"{kind.partition('.')[0]}.*" for each in found for kind, _ in each.member.capacity})
    value = quoted(values[0]) if len(values) == 1 else f"[{', '.join(map(quoted, values))}]"
    types = ", ".join(f'"{family}"' for family in families)
    number = len(found)
    return [
        f"    - name: {name}   # {number} instance{'s' * (number > 1)} now",
        "      ec2:",
        f"        tag: {{{quoted(key)}: {value}}}",
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


def _accepted(block: Sequence[str], key: str, values: Sequence[str]) -> bool:
    """Whether a file with this selector alone is valid and names exactly this tag.

    A foreign tag must not cost the others their file, and YAML reads some characters as others.
    """
    text = "version: 1\nregions: [us-east-1]\ndead_man:\n  selectors:\n" + "\n".join(block) + "\n"
    try:
        read = source.read(text.encode())
        if read.problems:
            return False
        selection = parse(read.document).dead_man.selectors[0].ec2
    except (source.UnreadableSource, InvalidDocument, UnicodeEncodeError):
        return False
    return selection is not None and selection.tag == {key: tuple(values)}


def _sagemaker(lines: Iterable[Line], also: Collection[Service]) -> Iterator[str]:
    counts = Counter(line.kind for line in lines)
    kinds = [kind for kind in JOB_KINDS if counts[kind.value] or kind in also]
    if kinds:
        listed = ", ".join(kind.value for kind in kinds)
        yield "    - name: sagemaker"
        yield f"      sagemaker: [{listed}]"
        yield f"      # To enforce it, name a tag: {{jobs: [{listed}], tag: {{...}}}}"
    with_children = [kind for kind in kinds if kind.has_children]
    if with_children:
        what = " and ".join("AutoML" if kind is Service.AUTOML else kind.value for kind in with_children)
        yield f"      # Its {what} jobs have 72 hours, and are never more than warned about unless this selector"
        yield "      # names max_runtime and mode itself."
    others = [f"{counts[kind]} {word}{'s' * (counts[kind] > 1)}" for kind, word in _OTHERS if counts[kind]]
    if others:
        yield f"    # Listed by scan and not stopped in this version: {', '.join(others)}."


_OTHERS = (("notebook", "notebook"), ("endpoint", "endpoint"))


def _protected(member: Member) -> bool:
    return any(_is_production(key, value) for key, value in (member.tags or {}).items())
