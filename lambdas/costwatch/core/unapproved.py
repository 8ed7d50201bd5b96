"""Money that a run spends and nobody has said yes to: whose yes it names, when to ask, and when it is used up. Pure.

A run that goes on without a gate in front of it is held to the same thresholds as what waits at one. Until there is an
answer it may spend what anybody may spend without asking: the lowest threshold. When that is used up is one more moment
at which its time is up, so whatever protects people from a stop by time protects them from this one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from costwatch.core import durations, times
from costwatch.core.approvals import Approval, State, Way, approval_id, spent_already
from costwatch.core.consent import Consent, Word, to_be_asked
from costwatch.core.estimator import Confidence
from costwatch.core.gate import judged_usd
from costwatch.core.model import RunId
from costwatch.core.money import show_usd
from costwatch.core.policy import ApprovalPolicy, Mode, Tier
from costwatch.core.record import RunRecord

HALF: Final = Decimal("0.5")
"""With so much of the lowest threshold spent (inclusive) somebody is asked, whatever was expected."""
NEARLY: Final = Decimal("0.8")
"""With so much of it spent (inclusive) and no yes the owner is told, once."""
STOP_GRACE: Final = timedelta(minutes=2)
"""What SageMaker and EC2 give whoever is stopped to save."""
_LONGEST: Final = Decimal(24 * 366)
"""Hours: what lasts longer is no limit."""
_MINUTE: Final = timedelta(minutes=1)
_MOST_TIMES: Final = 100
"""So many questions about one start of a run are told by their ids."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why somebody is asked. `usd`: what was held against the threshold; None: unknown, which is never zero.

    `spent_usd`: what is spent already, where that is why.
    """

    usd: Decimal | None
    tier: Tier
    reason: str
    spent_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class MoneyLimit:
    """When the money is used up that a run may spend (UTC), and by which rule."""

    at: datetime
    rule: str


def cause(record: RunRecord, policy: ApprovalPolicy, now: datetime) -> Cause | None:
    """Why somebody is to be asked about a run that nobody has been asked about. None: nobody is.

    Prepaid capacity costs nothing more. What has no known price is asked about when it is seen for the second time.
    """
    if record.start is None or not policy.tiers or record.hourly_rate_usd == 0:
        return None
    consent = record.consent
    if consent is not None and consent.word.covers:
        return _outgrown(record, consent, policy, now)
    if not to_be_asked(consent, policy.mode):
        return None
    if consent is not None and consent.granted_usd is not None:  # a yes came before the question that does not count
        return _outgrown(record, consent, policy, now)
    made, spent, lowest = record.forecast, record.spent_usd(now), policy.tiers[0]
    usd = judged_usd(made, policy.judge_by) if made is not None else None
    if made is not None:
        tier = policy.tier(usd)
        if usd is None and tier is not None and now > record.first_seen_at:
            return Cause(None, tier, f"nobody knows what it costs: {made.basis or 'no known price'}")
        is_more = usd is not None and spent is not None and spent > usd
        if usd is not None and tier is not None and made.confidence is not Confidence.PREPAID and not is_more:
            why = f"{show_usd(usd)} ({policy.judge_by.words}) is above {show_usd(tier.above_usd)}"
            return Cause(usd, tier, why)
    if spent is None or spent < lowest.above_usd * HALF:
        return None
    # What was expected is no more than the lowest threshold, or no more than is spent.
    tier = policy.tier(spent) or lowest
    return Cause(max(spent, usd or spent), tier, spent_already(spent, tier.above_usd), spent)


def _outgrown(record: RunRecord, consent: Consent, policy: ApprovalPolicy, now: datetime) -> Cause | None:
    """A yes is for so many dollars: a run that grew after it, or was extended, is asked about again when it has spent
    half of the lowest threshold beyond them."""
    spent, granted, lowest = record.spent_usd(now), consent.granted_usd, policy.tiers[0]
    if spent is None or granted is None or spent < granted + lowest.above_usd * HALF:
        return None
    reason = f"{show_usd(spent)} is spent, and the yes was for {show_usd(granted)}"
    return Cause(spent, policy.tier(spent) or lowest, reason, spent)


def allowed_usd(record: RunRecord, policy: ApprovalPolicy) -> Decimal:
    """What the run may spend before somebody has to say yes: the lowest threshold, beyond what was granted before."""
    granted = record.consent.granted_usd if record.consent is not None else None
    return policy.tiers[0].above_usd + (granted or Decimal(0))


def may_cost_more(record: RunRecord, policy: ApprovalPolicy) -> bool:
    """Whether it may spend more by its time limit than needs no yes; also where nobody knows what it costs."""
    most = record.forecast.worst_case_usd if record.forecast is not None else None
    return bool(policy.tiers) and (most is None or most > policy.tiers[0].above_usd)


def is_nearly_used_up(record: RunRecord, policy: ApprovalPolicy, now: datetime) -> bool:
    """Whether its owner is to be told that so much is spent and nobody has said yes."""
    consent = record.consent
    if consent is None or to_be_asked(consent, policy.mode) or consent.nearly_told or not policy.tiers:
        return False
    if consent.word not in (Word.ASKED, Word.EXPIRED):
        return False
    spent = record.spent_usd(now)
    if spent is None:
        return False
    beyond = policy.tiers[0].above_usd * (1 - NEARLY)
    return spent >= allowed_usd(record, policy) - beyond


def limit_of(record: RunRecord | None, policy: ApprovalPolicy) -> MoneyLimit | None:
    """When the run's money is used up. None: it does not count, nobody was asked, or nobody knows what it costs.

    Only in enforce. A yes sets the limit that goes with it, if any: the cap, from the run's start. It is the same in
    every sweep until the rate, the price, the threshold or the answer is another.
    """
    consent = record.consent if record is not None else None
    if policy.mode is not Mode.ENFORCE or record is None or consent is None or record.start is None:
        return None
    capped = None
    if consent.cap is not None:
        capped = MoneyLimit(record.start + consent.cap, f"capped at {durations.show(consent.cap)} by {consent.by}")
    if consent.word.covers or to_be_asked(consent, policy.mode):
        return capped
    limits = [each for each in (capped, _unapproved(record, consent, policy)) if each is not None]
    return min(limits, key=lambda limit: limit.at, default=None)


def _unapproved(record: RunRecord, consent: Consent, policy: ApprovalPolicy) -> MoneyLimit | None:
    moment = used_up_at(record, policy)
    if consent.word is Word.DENIED and (_is_between_jobs(record) if moment is None else consent.at < moment):
        return MoneyLimit(consent.at, f"denied by {consent.by}")
    if moment is None:
        return None
    granted = f"{show_usd(consent.granted_usd)} was granted, and " if consent.granted_usd else ""
    return MoneyLimit(moment, f"unapproved: {granted}{show_usd(policy.tiers[0].above_usd)} is all that needs no yes")


def used_up_at(record: RunRecord, policy: ApprovalPolicy) -> datetime | None:
    """When the run has spent what it may without a yes, up to the next whole minute; UTC.

    None: its price is not known, it costs nothing, or it takes longer than a year.
    """
    rate, since, before = record.hourly_rate_usd, record.rate_since, record.spent_before_usd
    if since is None:
        since, before = record.start, Decimal(0)
    if rate is None or since is None or before is None or record.start is None or not policy.tiers:
        return None
    left = allowed_usd(record, policy) - before
    if rate <= 0:
        return max(_whole_minute(since), record.start) if _is_between_jobs(record) and left <= 0 else None
    if abs(left) > rate * _LONGEST:
        return record.start if left < 0 else None
    # To the millisecond first: sums made at different moments differ in their last digits.
    milliseconds = int((left / rate * 3_600_000).to_integral_value())
    return max(_whole_minute(since + timedelta(milliseconds=milliseconds)), record.start)


def _is_between_jobs(record: RunRecord) -> bool:
    """Whether a tuning or AutoML job runs nothing just now: that is no capacity that was paid before."""
    return record.run_id.kind.has_children and record.hourly_rate_usd == 0 and record.spent_before_usd is not None


def terms(
    record: RunRecord, policy: ApprovalPolicy, sweep_every: timedelta, min_notice: timedelta, now: datetime
) -> dict[str, str]:
    """What bounds the money that nobody said yes to, term by term, and how far it is over that, and why.

    The threshold, and what is spent while a sweep comes, a notice runs and what is stopped may save. Holds, pauses,
    caps and a start that is seen late win over it. Empty: a yes covers it, or nobody knows what it costs.
    """
    rate, spent, used_up = record.hourly_rate_usd, record.spent_usd(now), used_up_at(record, policy)
    if rate is None or spent is None or used_up is None or record.consent is None or record.consent.word.covers:
        return {}
    most = allowed_usd(record, policy)
    while_ = sweep_every + min_notice + STOP_GRACE
    bound = most + rate * Decimal(int(while_.total_seconds())) / 3600
    shown = [durations.show(each) for each in (sweep_every, min_notice, STOP_GRACE)]
    found = {
        "unapproved_usd": f"{spent:.2f}",
        "bound_usd": f"{bound:.2f}",
        "bound_terms": f"{show_usd(most)} + {show_usd(rate)}/h x ({shown[0]} to a sweep + {shown[1]} notice + "
        f"{shown[2]} to stop)",
    }
    if spent > bound:
        found["over_bound_usd"] = f"{spent - bound:.2f}"
        found["over_bound_why"] = _why_over(record, used_up)
    return found


def _why_over(record: RunRecord, used_up: datetime) -> str:
    if record.hold is not None:
        return f"held since {times.to_key(record.hold.since)}: {record.hold.reason}"
    notice = record.notice
    if notice is not None and notice.accepted_at is not None and notice.accepted_at > used_up:
        return f"its money was used up before its notice of {times.to_key(notice.accepted_at)}"
    return "its stop was held up, or tried more than once"


def _whole_minute(moment: datetime) -> datetime:
    whole = moment.replace(second=0, microsecond=0)
    return whole if whole == moment else whole + _MINUTE


def key_of(run_id: RunId, start: datetime, before: str = "") -> tuple[str, ...]:
    """The facts that tell a question about a run from every other one: there is one for each start of it.

    `before`: id of the yes that the run has outgrown, or of the question that does not count; empty: it is the first.
    """
    facts = str(run_id), times.to_key(start)
    return (*facts, before) if before else facts


def counts(known: Approval, mode: Mode) -> bool:
    """Whether the run is held to a question as it stands, or answered: else somebody is asked anew."""
    return not to_be_asked(_consent_of(known), mode)


def is_about(record: RunRecord, approval: Approval) -> bool:
    """Whether `approval` is the question about this very start of the run: the one that its record knows.

    Before the record knows of one that was just asked, it is told by its id.
    """
    consent = record.consent
    known = consent.approval_id if consent is not None else ""
    if known == approval.id:
        return True
    if record.start is None or (consent is not None and consent.word in (Word.ASKED, Word.DENIED)):
        return False
    return _follows(record.run_id, record.start, known, approval)


def _follows(run_id: RunId, start: datetime, before: str, approval: Approval) -> bool:
    """Whether `approval` is one of the questions about this start that come after `before`."""
    for _ in range(_MOST_TIMES):
        before = approval_id(Way.RUN, run_id.account, run_id.region, *key_of(run_id, start, before))
        if before == approval.id:
            return True
    return False


def why_not_about(record: RunRecord | None, approval: Approval) -> str:
    """What the run did that left `approval` without an object, as a clause without its subject."""
    consent = record.consent if record is not None else None
    if record is None or record.start is None or consent is None or consent.word is not Word.DREW:
        return "is over"
    is_of_it = _follows(record.run_id, record.start, "", approval)
    return f"drew on the yes of {consent.approval_id}" if is_of_it else "is over"


def heard_of(record: RunRecord, approval: Approval) -> RunRecord:
    """`record` with how the question about it stands now; as it was where that is nothing new."""
    now, before = _consent_of(approval), record.consent
    if before is None:
        return replace(record, consent=now)
    if (before.word, before.approval_id) == (now.word, now.approval_id):
        return record
    if approval.state is not State.APPROVED:  # a yes of before is as good as it was
        now = replace(now, cap=before.cap, granted_usd=before.granted_usd)
    nearly_told = before.nearly_told and before.approval_id == approval.id
    return replace(record, consent=replace(now, looked_for=before.looked_for, nearly_told=nearly_told))


def _consent_of(approval: Approval) -> Consent:
    answer, granted = approval.answer, None
    if approval.state is State.APPROVED and approval.granted_usd is not None:
        # What it had spent by then is in what was said yes to.
        granted = max(approval.granted_usd, approval.asked.judged_usd or approval.granted_usd)
    return Consent(
        word=Word.ASKED if answer is None else Word(approval.state.value),
        at=answer.at if answer is not None else approval.asked_at,
        approval_id=approval.id,
        by=answer.name if answer is not None else "",
        cap=answer.cap if answer is not None else None,
        granted_usd=granted,
        mode=approval.mode,
    )
