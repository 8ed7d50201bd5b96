"""The ledger's row about a run: what was decided, told, granted and done so far, as one immutable value."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from costwatch.core import exemptions, times
from costwatch.core.consent import Consent
from costwatch.core.exemptions import Exemption
from costwatch.core.forecast import Forecast
from costwatch.core.heartbeats import Heard
from costwatch.core.model import Run, RunId, RunKind
from costwatch.core.money import spent_usd
from costwatch.core.policy import Action, Mode, Service
from costwatch.core.selection import HoldCode

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Status(StrEnum):
    """The ladder: running -> warned -> (due) -> stopping -> final; or held, failed."""

    RUNNING = "running"
    WARNED = "warned"
    WOULD_STOP = "would stop"
    HELD = "held"
    STOPPING = "stopping"
    FAILED = "failed"


class Transition(StrEnum):
    """What a ledger entry records. The last four end the record."""

    FIRST_SEEN = "first seen"
    WARNED = "warned"
    NOTICE_ACCEPTED = "notice accepted"
    DUE = "due"
    STOPPING = "stopping"
    STOP_REQUESTED = "stop requested"
    WOULD_STOP = "would stop"
    HELD = "held"
    STANDS_DOWN = "stands down"
    FAILED = "failed"
    CAME_BACK = "came back"
    MALFORMED_TAG = "malformed tag"
    LET_FINISH = "let finish"
    STALLED = "stalled"
    MODE_CHANGED = "mode changed"
    EXTENDED = "extended"
    EXEMPTED = "exempted"
    EXEMPTION_ASKED = "exemption asked for"
    RELEASED = "released"
    STOP_ASKED = "stop asked for"
    LOWERED = "capacity lowered"
    PUT_BACK = "capacity put back"
    CAPACITY_LEFT = "capacity left"
    RESTORE_ASKED = "restore asked for"
    RESTORED = "capacity restored"
    PAUSED = "paused"
    RESUMED = "resumed"
    UNWATCHED = "unwatched"
    LET_PASS = "let pass"
    WOULD_HOLD = "would have held"
    APPROVERS_LEFT = "approvers left"
    ASKED = "approval asked"
    REMINDED = "reminded"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    ANSWERED = "answered"
    DREW = "drew on an approval"
    NO_DRAW = "drew on no approval"
    UNUSED = "approval unused"
    NEARLY_USED_UP = "money nearly used up"
    WOULD_USE_UP = "would have been stopped for its money"
    TRAINING_ADVISED = "training advised"
    TRAINING_SKIPPED = "training skipped"
    JUDGEMENT_WAITS = "waits to be judged"
    JUDGED = "judged"
    WOULD_WRITE = "would have written the registry"
    PROMOTION_ASKED = "promotion asked about"
    PROMOTION_DECIDED = "promotion decided"
    REGISTRY_CLAIMED = "registry to be written"
    REGISTRY_WRITTEN = "registry written"
    REGISTRY_NOT_WRITTEN = "registry not written"
    OVERRIDDEN = "overridden by a person"
    HAND_FOUND = "a person's decision written over"
    HAND_RESTORED = "a person's decision restored"
    HAND_NOT_RESTORED = "a person's decision not restored"
    LETTERS_RESENT = "dead letters sent again"
    LETTERS_DELETED = "dead letters deleted"
    DELIVERED = "delivered"
    VERIFIED_GONE = "verified gone"
    VERIFIED_STOPPED = "verified stopped"
    ENDED_BY_ITSELF = "ended by itself"
    SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class MemberSeen:
    id: str
    running_since: datetime | None


@dataclass(frozen=True, slots=True)
class Notice:
    """A warning. It counts from `accepted_at`, for one mode, act and deadline, and only for whom it was given to."""

    id: str
    mode: Mode
    deadline: datetime
    requested_at: datetime
    owner: str
    """By tag, when it was given; empty: nobody was named."""
    members: tuple[MemberSeen, ...]
    """What was in the run when it was given: whatever joins or starts anew later has not been warned."""
    accepted_at: datetime | None = None
    via: str = ""
    stops_at: datetime | None = None
    """The time the card named: never stopped before it."""
    action: Action | None = None
    """What the card said happens to an instance. None: a notice of before that was kept; it counts for nothing."""
    silent: bool = False
    """It was given for the run's silence: one that beats again was not warned of its time limit by it."""
    money: bool = False
    """It was given for money that nobody had said yes to, or for the cap of a yes: no extension moves that."""


@dataclass(frozen=True, slots=True)
class Hold:
    id: str
    code: HoldCode
    reason: str
    since: datetime
    key: str
    """The claim key that was due; a cap hold is for that key alone."""


@dataclass(frozen=True, slots=True)
class Extension:
    by: str
    at: datetime
    duration: timedelta
    until: datetime


@dataclass(frozen=True, slots=True)
class Finishing:
    """It is nearly done and let finish, once: until `until` (UTC), where it expects to be done at `expected_at`."""

    at: datetime
    expected_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class StopOrder:
    """A named person asked for the run to be stopped: it needs no notice and counts against no cap."""

    by: str
    at: datetime
    reason: str
    members: tuple[str, ...]
    """Those that the person was shown. It is for a run of these, or of what is left of them, and for no other."""

    @property
    def key(self) -> str:
        """What tells its claim key from the one of the run's own time."""
        return f"asked-{times.to_key(self.at)}"

    @property
    def sentence(self) -> str:
        return f"{self.by} asked for it: {self.reason or 'no reason given'}"

    def others(self, run: Run) -> list[str]:
        """Members of `run` that the person was not shown; empty: the order is for it.

        A tuning or AutoML job goes on starting jobs, and whoever orders its stop orders theirs.
        """
        return [member.id for member in run.judged if member.id not in self.members]

    def active(self, now: datetime) -> bool:
        """For an hour (exclusive): long enough to be tried again after a failure, too short to be forgotten."""
        return now < self.at + timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class StopAttempt:
    """A claim on a stop and what came of it. The claim is a lease: others may take over after `lease_until`."""

    key: str
    owner: str
    attempt: int
    lease_until: datetime
    members: tuple[str, ...]
    spot_requests: tuple[str, ...] = ()
    requested_at: datetime | None = None
    """When the world last showed every member as stopping or gone; None: claimed, not settled."""
    action: Action = Action.TERMINATE
    counted: tuple[str, ...] = ()
    """The cap counters of the last attempt's window and day that attempts under this key have counted against."""
    gone_since: datetime | None = None
    """When verification first saw every member gone."""
    silent_since: datetime | None = None
    """Its last heartbeat, where its silence and not its time made it due."""
    money: str = ""
    """The rule, where its money and not its time made it due."""
    begun_at: datetime | None = None
    """When the first attempt was claimed, over takeovers and failures; None: a row from before this was kept."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One episode of a run: from its start to its end or to a new start. `version` guards every write."""

    run_id: RunId
    origin: str
    version: int
    status: Status
    mode: Mode
    selector: str
    start: datetime | None
    deadline: datetime | None
    first_seen_at: datetime
    name: str
    owner: str
    team: str
    members: tuple[MemberSeen, ...]
    capacity: tuple[tuple[str, int], ...]
    clock_evidence: str
    hourly_rate_usd: Decimal | None
    price_note: str
    notice: Notice | None = None
    hold: Hold | None = None
    released_key: str = ""
    capped_key: str = ""
    """The claim key a cap, or mass silence, has held: it waits for a release, whatever else holds it or moves its
    deadline in between. Both keys are forgotten when it is not overdue any more."""
    capped_for_silence: bool = False
    """It was mass silence that held it, and no cap: that holds what is due for its silence, and no time limit."""
    extensions: tuple[Extension, ...] = ()
    finishing: Finishing | None = None
    heard: Heard | None = None
    """The heartbeats of members that have left the run."""
    stalled_told: datetime | None = None
    """The last step forward whose absence since was told."""
    exemption: Exemption | None = None
    """By command, as it was granted or last seen: what counts stands apart (see core.exemptions)."""
    exempt_tags: tuple[tuple[str, datetime], ...] = ()
    """(tag value, first seen): a reason lasts 7 days from then, over restarts too (the ledger remembers it)."""
    malformed_told: tuple[str, ...] = ()
    order: StopOrder | None = None
    stop: StopAttempt | None = None
    would_stop_at: datetime | None = None
    """When observe or warn would have stopped it. A hold in between does not forget it; a new notice, or time, does."""
    would_stop_spent_usd: Decimal | None = None
    """USD spent by `would_stop_at`; None: unknown."""
    restarts: int = 0
    lowered_since: datetime | None = None
    """What a stop has lowered after this could not be put back when the episode of then gave way: it still is to be."""
    rate_since: datetime | None = None
    """From when on `hourly_rate_usd` has been spent. None: since the run's start (a row from before this was kept)."""
    spent_before_usd: Decimal | None = None
    """USD spent by `rate_since`, over all that was ever seen in the run; None: unknown."""
    project: str = ""
    model: str = ""
    forecast: Forecast | None = None
    """What it was expected to cost when it was first seen; None: a row from before forecasts were made."""
    time_limit: datetime | None = None
    """When its time is up, where `deadline` is that of its money: what an extension moves."""
    consent: Consent | None = None
    """What is known of a yes to what it costs. None: nobody was asked, and nothing was looked for."""

    def order_of(self, key: str) -> StopOrder | None:
        """The order that the claim key was made for; None: its time was up."""
        order = self.order
        return order if order is not None and key.endswith(f"#{order.key}") else None

    @property
    def released(self) -> bool:
        """A person lifted what held it: the caps hold it no more, though its deadline may have moved since."""
        return bool(self.capped_key) and self.capped_key == self.released_key

    def waits_for_release(self, mode: Mode) -> bool:
        """Whether it was held in `mode` until somebody releases it, and nobody has."""
        return self.capped_key.startswith(_of_mode(mode)) and not self.released

    @property
    def in_mass_silence(self) -> bool:
        """Whether it is held since too many runs were silent at once, and nobody has released it."""
        return self.capped_for_silence and not self.released

    @property
    def extended_until(self) -> datetime | None:
        return max((e.until for e in self.extensions), default=None)

    @property
    def extended_total(self) -> timedelta:
        return sum((e.duration for e in self.extensions), timedelta(0))

    @property
    def member_ids(self) -> tuple[str, ...]:
        return tuple(m.id for m in self.members)

    def spent_usd(self, now: datetime) -> Decimal | None:
        """What all members cost from their own starts to `now`, at list price, USD, unrounded; None: unknown, never 0.

        Exact from `rate_since` on (see `spending`); before it the sum at `rate_since`.
        """
        if self.start is None:
            return None
        if self.rate_since is None:
            return spent_usd(self.hourly_rate_usd, now - self.start)
        more = spent_usd(self.hourly_rate_usd, now - self.rate_since)
        return self.spent_before_usd + more if self.spent_before_usd is not None and more is not None else None

    @property
    def spent_by_would_stop_usd(self) -> Decimal | None:
        """USD spent when it would have been stopped; None: unknown."""
        if self.would_stop_at is not None and self.rate_since is None:
            return self.spent_usd(self.would_stop_at)
        return self.would_stop_spent_usd

    @property
    def capacity_text(self) -> str:
        return " + ".join(f"{count} x {kind}" for kind, count in self.capacity) or "unknown type"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a run's timeline. `reason` is the sentence that log, card and test quote."""

    at: datetime
    transition: Transition
    reason: str
    rule: str = ""
    actor: str = "costwatch"
    mode: str = ""
    evidence: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Pause:
    """While a pause lasts nothing is warned or stopped. `ended_at`: when the last one ended or will end."""

    version: int
    until: datetime
    by: str
    reason: str
    since: datetime

    def active(self, now: datetime) -> bool:
        """The end is exclusive: at `until` the switch works again."""
        return now < self.until


def same_episode(run: Run, record: RunRecord) -> bool:
    """Whether `run` is still the episode of `record`.

    An instance or a job: the same start; with children: of the job itself. A tagged run or group: at least one
    member that has been running since before, so members that come and go do not reset the clock. What had not
    started goes on. An answer without a known member's start proves nothing: it is no new start, so nothing that was
    granted is lost.
    """
    if record.start is None:
        return True
    if run.id.kind.has_children:
        # A job that cannot be read for a moment is still itself.
        own = {m.id: m.clock.running_since for m in run.judged}
        known = {m.id: m.running_since for m in record.members}
        return all(since is None or known.get(name) in (None, since) for name, since in own.items())
    if run.id.kind in (RunKind.INSTANCE, RunKind.TRAINING, RunKind.PROCESSING):
        return run.start is None or run.start == record.start
    before = {m.id: m.running_since for m in record.members}
    return any(m.id in before and m.clock.running_since in (None, before[m.id]) for m in run.members)


def members_seen(run: Run, record: RunRecord | None) -> tuple[MemberSeen, ...]:
    """The members of `run`, each with its start; one that is missing from this answer alone is as it was known."""
    known = {m.id: m.running_since for m in record.members} if record is not None else {}
    return tuple(MemberSeen(m.id, m.clock.running_since or known.get(m.id)) for m in run.members)


def left_since(run: Run, record: RunRecord | None) -> list[tuple[Service, str, datetime]]:
    """Members that `record` knows and that are in the run no more, each with its start; none in another episode.

    One that has started anew has left, too: what it said before, it said of the run.
    """
    if record is None or not same_episode(run, record):
        return []
    here = {member.id: member.clock.running_since for member in run.members}
    gone = ((m.id, m.running_since) for m in record.members if here.get(m.id, _NEVER) not in (None, m.running_since))
    return [(run.id.kind.service, name, since) for name, since in gone if since is not None]


def exemption_of(run: Run, record: RunRecord | None, now: datetime) -> Exemption | None:
    """The exemption by command that counts for `run` at `now`: one that stands apart, or one of before that does not.

    What a record repeats of those that stand apart counts for nothing: a member may have left the run with it.
    """
    before = record.exemption if record is not None and record.exemption and record.exemption.of_record else None
    return exemptions.longest((each for each in (run.exemption, before) if each is not None), now)


def start_of(run: Run, record: RunRecord | None) -> datetime | None:
    """The start the clock counts from; UTC. A tagged run keeps its earliest start when that member has gone."""
    starts = [s for s in (run.start, record.start if record else None) if s is not None]
    return min(starts, default=None)


def claim_key(run_id: RunId, mode: Mode, start: datetime | None, deadline: datetime | None) -> str:
    """`stop#<mode>#<run>#<run start>#<deadline>`: made of facts, so a retry makes the same key."""
    moments = "#".join(times.to_key(moment) if moment else "-" for moment in (start, deadline))
    return f"{_of_mode(mode)}{run_id}#{moments}"


def _of_mode(mode: Mode) -> str:
    return f"stop#{mode.value}#"


def hold_id(key: str, code: HoldCode) -> str:
    """Short, stable id people can type: `hold-1a2b3c4d`."""
    return "hold-" + hashlib.sha256(f"{key}#{code.value}".encode()).hexdigest()[:8]
