"""The cards of the RES breaker: what became of a retrained model, by which figures, and who may decide otherwise.

A card is made of the ledger's row as it stands, so whoever draws it again after a decision gets the same card without
its buttons. Buttons carry the judgement's id and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from costwatch.core import res_card_figures, res_words
from costwatch.core.blocks import (
    Block,
    button,
    buttons,
    cleaned,
    confirm,
    cut,
    fields,
    header,
    length,
    safe,
    section,
    small_print,
    text_input,
    unmarked,
)
from costwatch.core.cards import Card
from costwatch.core.judgements import Hand, Judgement, State
from costwatch.core.packages import ApprovalStatus
from costwatch.core.res import Cause, Value
from costwatch.core.res_standing import is_gone, standing

PROMOTE: Final = "promote"
REJECT: Final = "reject"
REASON: Final = "reason"
LONGEST_REASON: Final = 300
_NAME, _REASON, _PUSH, _VALUE = 80, 900, 600, 2000
_WHY: Final = {
    Cause.NO_GAIN: "No gain",
    Cause.WITHIN_NOISE: "A gain within noise",
    Cause.GUARDRAIL: "A guardrail does not hold",
    Cause.NO_BASELINE: "Nothing to be better than yet",
    Cause.DIFFERENT_DATA: "Measured on different data",
    Cause.NO_METRIC: "Its metric is not known",
    Cause.NO_COST: "What it cost is not known",
    Cause.NO_MEASURE: "Nothing to hold its gain against",
}
_MENDED_BY: Final = {
    Cause.DIFFERENT_DATA: (
        "Measure both on the same data: evaluate what serves on this candidate's data too, and register the package "
        "with both numbers, as metadata `costwatch:baseline` and `costwatch:candidate`. What its ModelMetrics were "
        "measured on only metadata `costwatch:evaluation-data` says."
    ),
    Cause.NO_METRIC: (
        "Let the training job emit the metric, or name it in the package's ModelMetrics, or register the package with "
        "both numbers, as metadata `costwatch:baseline` and `costwatch:candidate`."
    ),
    Cause.NO_COST: (
        "Register the package with metadata `costwatch:run`, the run that trained it; "
        "`costwatch ledger` shows which runs are known and what they cost."
    ),
    Cause.NO_MEASURE: (
        "Say in costwatch.yaml what a gain of this model is worth (`worth`), or its least gain for $1,000 "
        "(`min_gain_per_1000_usd`)."
    ),
}


@dataclass(frozen=True, slots=True)
class ResContext:
    """`mentions`: Slack's marks of who may decide. `clickable`: whether clicks reach us. `auto_approve`: whether
    Costwatch may approve."""

    mentions: tuple[str, ...] = ()
    clickable: bool = True
    auto_approve: bool = False


def judgement_card(judgement: Judgement, context: ResContext) -> Card:
    """The card as it stands now: with buttons while somebody is asked in enforce, else with what became of it."""
    verdict = judgement.verdict
    head = _head(judgement)
    blocks = [header(head), section(f"{_serving(judgement)}{standing(judgement, auto_approve=context.auto_approve)}")]
    if verdict.cause in (Cause.GUARDRAIL, Cause.WITHIN_NOISE) or verdict.value is Value.UNJUDGED:
        blocks.append(section(f"Why: {safe(cut(_clean(verdict.reason), _REASON))}."))
    found = res_card_figures.rows(judgement)
    if found:
        blocks.append(fields(*found))
    told = (res_card_figures.would_pass(judgement), res_card_figures.spent(judgement), _mended_by(judgement))
    if any(told):
        blocks.append(section(" ".join(filter(None, told))))
    if is_open(judgement):
        blocks.extend(_asks(judgement, context))
    blocks.append(small_print(_context(judgement)))
    return Card(_push(judgement, head), blocks)


def decided_card(judgement: Judgement, context: ResContext) -> Card:
    """What became of it, for the thread below its card."""
    text = f"{safe(_short_name(judgement))}: {standing(judgement, auto_approve=context.auto_approve)}"
    head = unmarked(text.partition("\n")[0]).rstrip(".")
    return Card(_push(judgement, head), [section(text)])


def is_open(judgement: Judgement) -> bool:
    """Whether somebody may decide about it by a button or a command."""
    return judgement.state is State.ASKED


def _head(judgement: Judgement) -> str:
    """`Not promoted: churn v41. A real gain, too small for its cost`."""
    name, verdict, decided = _short_name(judgement), judgement.verdict, judgement.decided
    why = _WHY.get(verdict.cause, "")
    if verdict.cause in (Cause.EARNED, Cause.TOO_DEAR):  # the reason is short, and says whether the gain is a real one
        why = _clean(f"{verdict.reason[:1].upper()}{verdict.reason[1:]}")
    if decided is not None:
        verb = {ApprovalStatus.APPROVED: "Promoted", ApprovalStatus.REJECTED: "Rejected"}.get(decided.target, "Reset")
        if decided.hand is Hand.NOT_RESTORED:
            return f"Not restored: {name}. A person decided about it, and Costwatch wrote over that"
        if decided.hand is Hand.RESTORED:
            return f"Restored: {name}. A person's decision stands again"
        return f"{verb} by a person: {name}. {why}" if why else f"{verb} by a person: {name}"
    if is_gone(judgement):
        return f"Gone: {name}. It is in the model registry no more"
    if verdict.value is Value.PROMOTE:
        done = judgement.state is State.WRITTEN
        return f"{'Promoted' if done else 'Earned its compute'}: {name}. {why}"
    if verdict.value is Value.FIRST_MODEL:
        return f"First model: {name}. {why}"
    if verdict.value is Value.UNJUDGED:
        yet = " yet" if judgement.state is State.WAITING else ""
        return f"Not judged{yet}: {name}. {why}"
    if verdict.value is Value.OVERRIDDEN:
        return f"Decided by a person: {name}"
    acts = judgement.state in (State.ASKED, State.WRITING, State.WRITTEN)
    return f"{'Not promoted' if acts else 'Would not be promoted'}: {name}. {why}"


def _serving(judgement: Judgement) -> str:
    """What production is on, where it stays on that."""
    version = judgement.serving_version
    moved = judgement.approved_at is not None or (
        judgement.state is State.WRITTEN and judgement.target is ApprovalStatus.APPROVED
    )
    if version is None or moved:
        return ""
    return f"*Production stays on {safe(_clean(cut(judgement.model, _NAME)))} v{version}.* "


def _mended_by(judgement: Judgement) -> str:
    if judgement.verdict.value is not Value.UNJUDGED or judgement.decided is not None:
        return ""
    return _MENDED_BY.get(judgement.verdict.cause, "")


def _asks(judgement: Judgement, context: ResContext) -> list[Block]:
    who = " ".join(context.mentions) or "Nobody is configured who"
    may = f"{who} may decide."
    if length(judgement.id) > _VALUE or not context.clickable:
        version = safe(_clean(f"{judgement.model} {judgement.package_version}"))
        return [section(f"{may} `costwatch promote {version}` or `costwatch reject {version}`.")]
    name = _short_name(judgement)
    then = (
        "It becomes Approved in the model registry, and whatever deploys from there may deploy it."
        if context.auto_approve
        else "Costwatch records that it is wanted and will not reject it; you then approve it in the model registry."
    )
    sure = confirm("Promote it?", f"{cut(name, _NAME)}: {then}", "Promote")
    row = buttons(
        "verdict",
        button(PROMOTE, "Promote anyway", judgement.id, style="primary", confirm=sure),
        button(REJECT, "Reject", judgement.id, style="danger"),
    )
    reason = text_input(REASON, REASON, "Reason", hint="Everybody can read it", most=LONGEST_REASON)
    return [reason, row, section(may)]


def _context(judgement: Judgement) -> str:
    asked = f"costwatch promote {judgement.model} {judgement.package_version}" if is_open(judgement) else ""
    parts = [judgement.id, judgement.run, f"costwatch explain {judgement.id}", asked]
    return _clean(" · ".join(filter(None, parts)))


def _push(judgement: Judgement, head: str) -> str:
    """What a phone shows: the model, the verdict, the dollars."""
    cost = judgement.verdict.cost
    spent = res_words.show_cost(judgement.verdict) if cost is not None and cost.usd is not None else "an unknown amount"
    text = f"{head}; it cost {spent}"
    worth = res_words.show_worth(judgement.verdict)
    return cut(safe(cut(f"{text} and is worth {worth}" if worth else text, _PUSH)), _PUSH)


def _short_name(judgement: Judgement) -> str:
    return f"{cut(_clean(judgement.model), _NAME)} v{judgement.package_version}"


def _clean(text: str) -> str:
    return cleaned(text)
