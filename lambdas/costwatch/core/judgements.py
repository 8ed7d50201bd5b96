"""The ledger's row about a candidate: what was decided about it, by which figures, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from costwatch.core.approvals import Post
from costwatch.core.gains import Evaluation
from costwatch.core.modes import Mode
from costwatch.core.packages import ApprovalStatus, ModelPackage
from costwatch.core.res import Verdict
from costwatch.core.res_policy import Worth


class State(StrEnum):
    """waiting -> judged | asked | writing -> written; overridden whenever a person's hand is found."""

    WAITING = "waiting"
    """It cannot be judged yet: its run goes on, or what it cost is not booked."""
    JUDGED = "judged"
    """The verdict stands and the registry is as it was: observe, warn, unjudged, first, earned without approval."""
    ASKED = "asked"
    """Better but too dear: somebody may promote or reject it; until then it is pending."""
    WRITING = "writing"
    """Claimed: the registry is about to be written, or may have been."""
    WRITTEN = "written"
    OVERRIDDEN = "overridden"

    @property
    def final(self) -> bool:
        return self in (State.WRITTEN, State.OVERRIDDEN)


class Hand(StrEnum):
    """How a person's decision came about, and what became of it."""

    ASKED = "asked"
    """By a button or a command of ours."""
    FIRST = "first"
    """In the registry, before Costwatch wrote anything: that stands."""
    AFTER = "after"
    """In the registry, over what Costwatch had written: that stands."""
    RESTORED = "restored"
    """In the registry, just before Costwatch's write went over it: theirs was put back."""
    NOT_RESTORED = "not restored"
    """The same, and it could not be put back: people are told the command that does."""


@dataclass(frozen=True, slots=True)
class Decided:
    """By a person: by a button, a command, or in the registry itself.

    `by`: Slack's user id, an ARN, or what SageMaker tells; empty: nobody says. `name`: the same for people.
    """

    by: str
    at: datetime
    target: ApprovalStatus
    reason: str = ""
    name: str = ""
    hand: Hand = Hand.ASKED


@dataclass(frozen=True, slots=True)
class Judgement:
    """One candidate. `row_version` guards every write. `mode`: the one it was judged in: observe blocks no enforce.

    `run`: what trained it, for people and keys (a run id, or a pipeline execution's ARN); empty: not found. `runs`: the
    ids of every run whose cost is counted. `evaluation`: its readings and what they were measured on: once it is
    approved they are the next one's baseline. `told`: the reason people heard last.
    """

    package_arn: str
    account: str
    region: str
    model: str
    group: str
    package_version: int
    created_at: datetime
    judged_at: datetime
    mode: Mode
    state: State
    verdict: Verdict
    row_version: int = 0
    run: str = ""
    runs: tuple[str, ...] = ()
    artifact: str = ""
    evaluation: Evaluation | None = None
    approvers: tuple[str, ...] = ()
    target: ApprovalStatus | None = None
    """What the registry is to be set to, or was."""
    lease_until: datetime | None = None
    """While it is being written."""
    decided: Decided | None = None
    approved_at: datetime | None = None
    """When it was seen approved, by whomever: since then it serves."""
    posts: tuple[Post, ...] = ()
    told: str = ""
    serving_version: int | None = None
    """What was approved when it was judged; None: nothing was, or nobody knows."""
    capacity: str = ""
    """What trained it, for people: `4 x ml.p4d.24xlarge`; empty: not known."""
    runtime: timedelta | None = None
    """How long that took; of several jobs in sum."""
    worth: Worth | None = None
    """What a gain was worth by the rules that it was judged by."""
    team: str = ""
    """Of its run: whose channel hears of it; empty: nobody's."""
    advice: str = ""
    """What should-retrain says of the next training, as a part of a sentence: `skip Sunday's run`; empty: not known."""

    @property
    def id(self) -> str:
        """What buttons and commands name it by: `us-east-1/churn/41`."""
        return f"{self.region}/{self.group}/{self.package_version}"

    @property
    def name(self) -> str:
        """For people: `churn v41`."""
        return f"{self.model} v{self.package_version}"

    def is_of(self, package: ModelPackage) -> bool:
        """Whether it is about this very version: a group that is deleted and made anew counts from 1 again."""
        return self.package_arn == package.arn and self.created_at == package.created_at

    @property
    def gain(self) -> Decimal | None:
        return self.verdict.gain.amount if self.verdict.gain is not None else None
