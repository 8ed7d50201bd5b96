"""The costwatch.yaml that `init` writes: commented, of answers and of what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from costwatch.config.checks import DEFAULT_LIMITS
from costwatch.core import durations
from costwatch.scan import fitting
from costwatch.scan.asides import quoted
from costwatch.scan.fitting import Fitted

_MODES: Final = {
    "observe": "nothing is stopped and no owner hears of it; the ledger says what would have happened",
    "warn": "owners and approvers get real notices, by slack or email above; nothing is stopped",
}
MODES: Final = tuple(_MODES)
"""What one begins with. To enforce is a step of its own, one selector at a time."""
HARD_CAP: Final = DEFAULT_LIMITS["hard_cap"]
"""Of each file that `init` writes."""
_JOBS: Final = (
    "    - name: sagemaker",
    "      sagemaker: [training, tuning, processing]   # one selector for each kind",
)


@dataclass(frozen=True, slots=True)
class Answers:
    """As they are written in the file; empty: left out. `account`: of 12 digits."""

    account: str
    regions: tuple[str, ...]
    timezone: str
    platform_channel: str
    email: tuple[str, ...]
    mode: str
    max_runtime: str
    above_usd: str
    approvers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Learned:
    """What AWS said, as sentences and parts of the file; `fitted` None: it was not asked, or did not answer."""

    fitted: Fitted | None = None
    account: str = ""
    max_runtime: str = "12h"
    max_runtime_comment: str = "from the start of the current run"
    above_usd: str = "100"
    above_usd_comment: str = "of the forecast; whoever is about to spend more is asked first"
    families: Sequence[str] = ()
    """A sentence for each family of jobs of the last weeks."""


def render(answers: Answers, learned: Learned, at: datetime) -> str:
    """The text of the file. It is valid where each answer is and they fit together."""
    found = learned.fitted
    whence = f" and account {learned.account} as it was" if found is not None and learned.account else ""
    out = [
        f"# Written by `costwatch init` from your answers{whence}, {at:%Y-%m-%d %H:%M} UTC.",
        "# `costwatch check-config` checks it, and so does a deploy; costwatch.yaml of the repository has every key.",
        "version: 1",
    ]
    if answers.account:
        out.append(f'account: "{answers.account}"   # a deploy into any other account is refused')
    out.append(
        f"regions: [{', '.join(answers.regions)}]   # watched; the first is the home region, of stack and ledger"
    )
    if found is not None and found.unread:
        out.append(f"# Not wholly read, so something may be missing here: {', '.join(found.unread)}")
    out.append(f"timezone: {answers.timezone}   # for times that people read; the ledger is in UTC")
    out += fitting.tag_lines(found) if found is not None else []
    return "\n".join([*out, *_told(answers), *_dead_man(answers, learned), *_approval(answers, learned)]) + "\n"


def _told(answers: Answers) -> list[str]:
    mark, channel = ("", answers.platform_channel) if answers.platform_channel else ("# ", "#ml-platform")
    out = [
        "",
        "# Where messages go. The bot's token and the signing secret lie in SSM parameters, never in this file.",
        f"{mark}slack:",
        f"{mark}  platform_channel: {quoted(channel)}   # holds, alarms, the daily summary",
        '  # team_channels: {risk: "#risk-ml"}   # by the value of the team tag',
        "  # warn_owner_by: dm   # dm | team_channel",
    ]
    mark, addresses = ("", answers.email) if answers.email else ("# ", ("ml-platform@example.com",))
    return [
        *out,
        f"{mark}email:   # alarms, and notices while Slack takes none; each address confirms by a mail from AWS",
        f"{mark}  to: [{', '.join(map(quoted, addresses))}]",
    ]


def _dead_man(answers: Answers, learned: Learned) -> list[str]:
    found = learned.fitted
    out = [
        "",
        "dead_man:",
        f"  mode: {answers.mode}   # {_MODES[answers.mode]}",
        "  # Go on to warn, then to enforce, one selector at a time; each step is a reviewed deploy.",
        *(fitting.protect_lines(found) if found is not None else []),
        f"  max_runtime: {answers.max_runtime}   # {_comment(answers.max_runtime, learned)}",
        "  warn_before: 1h   # the notice comes this long before the deadline",
        "  min_notice: 30m   # nobody is stopped sooner than this after a notice that was delivered",
        f"  hard_cap: {durations.short(HARD_CAP)}   # no tag and no extension goes past it",
        "  # What is watched: the first selector that matches decides. To enforce, a selector must name a tag.",
        "  selectors:",
    ]
    selectors = list(found.selectors) if found is not None else []
    # Jobs name no machine that could be picked by mistake, so there is always something to observe.
    out += selectors if any("sagemaker:" in line for line in selectors) else [*selectors, *_JOBS]
    if found is None:
        out += [
            "    # For EC2 name a tag that your trainers carry; `costwatch scan` finds them:",
            '    # - name: trainers\n    #   ec2: {tag: {Purpose: ml-training}, types: ["p4d.*", "p5.*"]}',
        ]
    else:
        out += fitting.aside_lines(found)
    return [*out, *(f"  # {said}" for said in learned.families)]


def _comment(max_runtime: str, learned: Learned) -> str:
    return learned.max_runtime_comment if max_runtime == learned.max_runtime else "from the start of the current run"


def _approval(answers: Answers, learned: Learned) -> list[str]:
    mark, approvers = ("", answers.approvers) if answers.approvers else ("# ", ("@risk-leads", "U012AB3CD"))
    comment = learned.above_usd_comment if answers.above_usd == learned.above_usd else "of the forecast"
    return [
        "",
        "approval:",
        f"  mode: {answers.mode}",
        "  tiers:",
        f"    - above_usd: {answers.above_usd}   # {comment}",
        f"      {mark}approvers: [{', '.join(map(quoted, approvers))}]   # without them nobody may say yes",
    ]
