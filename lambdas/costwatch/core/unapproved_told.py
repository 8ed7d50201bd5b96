"""What is recorded and said of money that nobody has said yes to, beside the ladder: it changes no verdict. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from costwatch.core import gate_graduating, times, unapproved
from costwatch.core.consent import Consent, Word, open_question
from costwatch.core.deadman import Decision
from costwatch.core.messages import Audience, Message, MessageKind, about
from costwatch.core.money import show_usd
from costwatch.core.policy import ApprovalPolicy, Mode
from costwatch.core.record import Entry, RunRecord, Transition
from costwatch.core.step import decision_entry, spent_text


def told(
    record: RunRecord,
    decision: Decision,
    policy: ApprovalPolicy,
    now: datetime,
    version: int,
    entries: list[Entry],
    messages: list[Message],
) -> RunRecord:
    """Money that nobody has said yes to: in observe what would be said of it, else that it is nearly used up; once."""
    if decision.spared or policy.mode is Mode.OFF:
        return record
    if policy.mode is Mode.OBSERVE:
        return _would_be_asked(record, decision, policy, now, entries)
    if record.consent is None or not unapproved.is_nearly_used_up(record, policy, now):
        return record
    spent, most = show_usd(record.spent_usd(now)), show_usd(unapproved.allowed_usd(record, policy))
    reason = f"{spent} of the {most} that need no yes is spent, and nobody has said yes ({record.consent.word.value})"
    entries.append(
        decision_entry(now, Transition.NEARLY_USED_UP, reason, decision, approval=record.consent.approval_id)
    )
    if not (record.notice is not None and record.notice.money):  # that says it already, with a time
        messages.append(
            about(
                record,
                MessageKind.NEARLY_USED_UP,
                Audience.OWNER,
                version=version,
                approval=open_question(record.consent),
                spent=spent,
                most=most,
                stops="yes" if policy.mode is Mode.ENFORCE and decision.mode is Mode.ENFORCE else "",
            )
        )
    return replace(record, consent=replace(record.consent, nearly_told=True))


def _would_be_asked(
    record: RunRecord, decision: Decision, policy: ApprovalPolicy, now: datetime, entries: list[Entry]
) -> RunRecord:
    consent = record.consent
    if consent is None or consent.word is Word.LOOKED:
        cause = unapproved.cause(record, policy, now)
        if cause is None:
            return record
        facts = gate_graduating.evidence(cause.tier, cause.usd)
        reason = f"would have asked: {cause.reason}"
        entries.append(decision_entry(now, Transition.WOULD_HOLD, reason, decision, **facts))
        looked_for = consent.looked_for if consent is not None else ""
        return replace(record, consent=Consent(Word.WOULD_ASK, now, looked_for=looked_for))
    used_up_at = unapproved.used_up_at(record, policy)
    notice = decision.selector.limits.min_notice if decision.selector is not None else timedelta(0)
    if (
        consent.word is not Word.WOULD_ASK
        or consent.used_up_told
        or used_up_at is None
        or now <= max(used_up_at, consent.at + notice)
    ):
        return record
    most, spent = show_usd(policy.tiers[0].above_usd), spent_text(record, now)
    reason = f"would have been stopped for it: {most} were spent by {times.to_key(used_up_at)} without a yes"
    entries.append(decision_entry(now, Transition.WOULD_USE_UP, reason, decision, spent_usd=spent))
    return replace(record, consent=replace(consent, used_up_told=True))
