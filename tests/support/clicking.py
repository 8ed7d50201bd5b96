"""People who click: a town with a gate, and one desk for each click, over the fakes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from costwatch import names
from costwatch.adapters.ledger_approvals import Approvals
from costwatch.adapters.ledger_clicks import Clicks
from costwatch.core.approvals import Approval, Post
from costwatch.core.cards import Card
from costwatch.core.gate import Request
from costwatch.core.policy import ApprovalPolicy, Mode, Policy, Tier
from costwatch.core.record import RunRecord
from costwatch.errors import CostwatchError, RefusedError
from costwatch.intake import Click, deadman
from costwatch.procedures import approvals, outbox
from costwatch.procedures.approvals import Gate
from costwatch.procedures.clicked import Outcome, clicked
from costwatch.procedures.clicked_runs import Desk
from costwatch.procedures.report import SweepReport
from costwatch.procedures.stop_asked import stop_asked
from tests.integration.test_approvals import Steps, Tasks, request
from tests.support import policies
from tests.support.builders import ACCOUNT
from tests.support.fakes import FakeSlack, Town

MARIA, LEE, OMAR, SAM = "U0MARIA00", "U0LEE0000", "U0OMAR000", "U0STRANGE"
"""The owner of the runs, two approvers (Lee by the group), and somebody else."""
GROUP = "@risk-leads"
PLATFORM = "#ml-platform"
OWNER = "maria@example.com"


@dataclass
class FakeDeadman:
    """The function that may stop something. `act`: what it does when asked; else it stops nothing and says so."""

    act: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None
    asked: list[Mapping[str, Any]] = field(default_factory=list)

    def ask(self, detail_type: str, detail: Mapping[str, Any], *, answer: str) -> dict[str, Any]:
        assert (detail_type, answer) == (names.DETAIL_STOP_REQUESTED, "stopped")
        self.asked.append(detail)
        return self.act(detail) if self.act is not None else {"stopped": True}


@dataclass
class House:
    """A town where questions are asked and cards are clicked."""

    mode: Mode = Mode.ENFORCE
    tiers: tuple[Tier, ...] = ()
    policy: Policy | None = None
    requester_may_approve: bool = False
    steps: Steps = field(default_factory=Steps)
    deadman: FakeDeadman = field(default_factory=FakeDeadman)

    def __post_init__(self) -> None:
        tiers = self.tiers or (Tier(Decimal(100), (GROUP, OMAR)),)
        approval = ApprovalPolicy(self.mode, tiers=tiers, requester_may_approve=self.requester_may_approve)
        policy = self.policy or policies.policy(
            slack={"platform_channel": PLATFORM, "team_channels": {"risk": "#risk-ml"}, "warn_owner_by": "team_channel"}
        )
        self.town = Town(replace(policy, approval=approval))
        world = self.town.world
        world.slack_groups[GROUP] = {LEE}
        world.slack_users[OWNER] = MARIA
        world.slack_names.update({MARIA: "Maria Lopez", LEE: "Lee Chan", OMAR: "Omar Diaz", SAM: "Sam Stranger"})
        self._numbers = itertools.count(1)

    # --- what there is -------------------------------------------------------------------------------

    @property
    def gate(self) -> Gate:
        w = self.town.watchdog()
        return Gate(w, Approvals(w.ledger), lambda _region: self.steps, Tasks())

    def ask(self, **changes: Any) -> Approval:
        """A question that stands in Slack."""
        wanted: Request = request(**changes)
        reply = approvals.ask(self.gate, wanted)
        self.flush()
        return self.question(reply.id)

    def question(self, approval_id: str) -> Approval:
        found = self.gate.approvals.get(ACCOUNT, approval_id)
        assert found is not None
        return found

    def flush(self) -> SweepReport:
        report = SweepReport(at=self.town.clock())
        outbox.flush(self.town.watchdog(), report, warnings=True)
        return report

    def record(self, run: object) -> RunRecord:
        found = next(
            (r for r in self.town.ledger.open_records(ACCOUNT, "us-east-1").values() if str(r.run_id) == str(run)), None
        )
        assert found is not None
        return found

    # --- what people do ------------------------------------------------------------------------------

    def press(
        self,
        action: str,
        value: str,
        *,
        by: str = OMAR,
        post: Post | None = None,
        cap: timedelta | None = None,
        reason: str = "",
        action_ts: str = "",
        ago: timedelta = timedelta(0),
        blocks: Sequence[Any] = (),
    ) -> Click:
        """A press of a button, as intake would make it of Slack's payload."""
        at = self.town.clock() - ago
        card = post or Post("C0PLATFORM", f"{(at - timedelta(minutes=1)).timestamp():.6f}")
        return Click(
            user_id=by,
            user_name=by.lower(),
            team_id="T0123456789",
            organisation_id="",
            app_id="A0123456789",
            channel_id=card.channel,
            message_ts=card.ts,
            action_ts=action_ts or f"{at.timestamp():.0f}.{next(self._numbers):06d}",
            action=action,
            value=value,
            at=at,
            cap=cap,
            reason=reason,
            text="the card",
            blocks=blocks or shown(self.town.world.slack_messages.get(card)),
        )

    def desk(self, click: Click) -> Desk:
        """As each invocation of the function makes it."""
        gate = self.gate
        return Desk(gate, Clicks(gate.w.ledger), FakeSlack(self.town.world), self.deadman, click)

    def click(self, action: str, value: str, **how: Any) -> Outcome:
        return clicked(self.desk(self.press(action, value, **how)))

    def again(self, click: Click) -> Outcome:
        """The same press, delivered once more or for the first time."""
        return clicked(self.desk(click))

    # --- what people see -----------------------------------------------------------------------------

    @property
    def told(self) -> list[tuple[str, str]]:
        """What was said to single people: (user, text)."""
        return [(user, text) for _, user, text in self.town.world.ephemerals]

    def card(self, post: Post) -> Card:
        return self.town.world.slack_messages[post]

    def thread(self, post: Post) -> list[str]:
        return [card.text for below, card in self.town.world.slack_threads if below == post]


def shown(card: Card | None) -> list[dict[str, Any]]:
    """A card as Slack sends it back: with ids that it gave, and more keys than we sent."""
    return [
        {**block, "block_id": block.get("block_id", f"b{n}")} for n, block in enumerate(card.blocks if card else [])
    ]


def buttons_of(card: Card) -> dict[str, dict[str, Any]]:
    """By action id."""
    elements = [each for block in card.blocks for each in block.get("elements", []) if block["type"] == "actions"]
    return {each["action_id"]: each for each in elements}


def text_of(card: Card) -> str:
    return card.plain


def real_deadman(town: Town) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """As the deployed function answers: a refusal of its own is one here."""

    def act(detail: Mapping[str, Any]) -> dict[str, Any]:
        event = {"source": names.SOURCE_CLI, "detail-type": names.DETAIL_STOP_REQUESTED, "detail": detail}
        message: Any = deadman(event)
        try:
            return stop_asked(town.watchdog(), message)
        except CostwatchError as error:
            raise RefusedError(f"the deployed function refuses: {error}") from error

    return act
