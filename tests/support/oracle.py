"""A second opinion on every decision of the dead-man's switch, written from its documents and not from its code.

It imports nothing of Costwatch. It reads a policy document, the recorded world (instances, jobs, spot
requests, posts, mails, events) and what the sweep put down as plain data, and it keeps its own memory of
notices, grants, pauses and caps. `before` predicts, `after` compares. It never asks the code why.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.support.oracle_heartbeats import AT_LEAST, Ear, Heard, Left

STOPPED, WOULD_STOP, HELD, WARNED, KEPT, IGNORED = "stopped", "would stop", "held", "warned", "kept", "ignored"
FINISHES = "let finish"
QUIET = frozenset({HELD, KEPT, IGNORED})
"""What may always come of a run whose calls fail: nothing happens to it, nobody hears of a stop."""

NEVER = "costwatch:never"
REASON_LASTS = timedelta(days=7)
LONGEST_EXEMPTION = timedelta(days=365)
LEASE = timedelta(minutes=10)
"""Longer than any lease: how long a stop that was cut short may be left to whoever began it."""
MOST_LENIENT_SWEEPS = 3
NOTICE_LASTS = timedelta(hours=24)
"""After the time that it named a notice counts so long and no longer."""


_SEEN_LATE = (
    "termination protection",
    "stop protection",
    "a one-time spot instance cannot be stopped",
    "its spot request may not be cancelled",
)
"""Read one by one, only for whoever is to be warned or stopped: until its notice is over it may go unseen."""

_PROTECTION = _SEEN_LATE[:2]
"""A call for each instance: where nobody hears a warning it is made when the run would be stopped."""

_DESTROYS_BY = {
    "terminate": ("TerminateInstances", "CancelSpotInstanceRequests"),
    "stop": ("StopInstances",),
}
_STOPS_JOB = {
    "training": "StopTrainingJob",
    "processing": "StopProcessingJob",
    "tuning": "StopHyperParameterTuningJob",
    "automl": "StopAutoMLJob",
}
_GROUPS = ("UpdateAutoScalingGroup", "TerminateInstanceInAutoScalingGroup")
_DESTROYS = (
    *_DESTROYS_BY["terminate"],
    *_DESTROYS_BY["stop"],
    *_GROUPS,
    *_STOPS_JOB.values(),
    "UpdateTrainingJob",
)
_JOB_KINDS = (*_STOPS_JOB, "schedule")
_HEADS = ("tuning", "automl")
"""Jobs that started others: by them alone it is decided, and they alone are asked to stop."""


class Violation(AssertionError):
    """The sweep did what the documents forbid, or left out what they demand."""


@dataclass(frozen=True)
class View:
    """One run as the world shows it: `id` is account/region/kind/name.

    `members` decide about it. `children`: what a tuning or AutoML job among them started, and what ends with it.
    """

    id: str
    region: str
    kind: str
    members: tuple[Any, ...]
    children: tuple[Any, ...] = ()

    @property
    def is_job(self) -> bool:
        return self.kind in _JOB_KINDS

    @property
    def parented(self) -> bool:
        """Something that is not the run itself would replace it."""
        if self.kind == "asg":
            return False
        return any(getattr(m, "asg", None) or getattr(m, "schedule", None) for m in self.members)

    @property
    def starts(self) -> tuple[datetime | None, ...]:
        return tuple(_start(m) for m in self.members)

    @property
    def signature(self) -> frozenset[tuple[str, datetime | None]]:
        return frozenset((_id(m), _start(m)) for m in self.members)


@dataclass
class Notice:
    terms: tuple[str, datetime, str]
    """Mode, deadline and what it said happens."""
    accepted_at: datetime
    stops_at: datetime
    asked_at: datetime
    told: Mapping[str, datetime | None]
    """The members it was given for, each with its start."""
    owner: str
    silent: bool = False
    """It was given for its silence, and not for its time limit."""


@dataclass
class Episode:
    """What the oracle remembers of a run between its start and its end or restart."""

    signature: frozenset[tuple[str, datetime | None]]
    start: datetime | None
    asked: tuple[str, datetime, str] | None = None
    """A notice was asked for, with these terms; nothing has taken it yet."""
    asked_at: datetime | None = None
    asked_notice: timedelta = timedelta(0)
    """The notice it was to have by the limits of then: its card keeps that."""
    asked_for: Mapping[str, datetime | None] = field(default_factory=dict)
    asked_owner: str = ""
    asked_silent: bool = False
    notice: Notice | None = None
    interrupted: bool = False
    """It was exempt or protected since its notice: it may be warned anew, nobody says it must."""
    extended_until: list[datetime] = field(default_factory=list)
    would_stopped: dict[tuple[Any, ...], datetime] = field(default_factory=dict)
    mode: str = ""
    """In which it was judged last."""
    capped: str = ""
    """The mode in which a cap held it: until its release, or until it is not overdue any more."""
    by_mass: bool = False
    """It was mass silence and no cap: it holds what is due for its silence, and no time limit."""
    finishes: datetime | None = None
    """It was nearly done and let finish, once: until then."""
    left: Left | None = None
    """What members had said that have left it."""
    released: bool = False
    perhaps_capped: bool = False
    """Held while calls failed, so by a cap or by a failure; or nobody knows whether it was overdue all the time."""
    maybe_claimed: dict[tuple[Any, ...], datetime] = field(default_factory=dict)
    lenient: int = 0


@dataclass
class Expectation:
    view: View
    classes: frozenset[str]
    why: str
    selector: str | None = None
    mode: str = ""
    deadline: datetime | None = None
    key: tuple[Any, ...] | None = None
    eligible: bool = False
    """Due, its notice over and nothing in its way: only a cap may hold it."""
    may_wait: bool = False
    """Due to the second: this sweep or the next."""
    warn_due: bool = False
    uploads: bool = False
    """A child writes its model: it is not stopped now, whatever else holds."""
    candidates: frozenset[str] = frozenset()
    """Selectors it may be counted under."""
    silent: bool = False
    """It is its silence, and not its time, that makes it due."""
    fell_silent: bool = False
    """It is silent and its time is not up, whichever of the two it goes by."""
    last_beat_at: datetime | None = None
    mass: bool = False
    """Too many are silent with it."""
    perhaps_mass: bool = False
    """Nobody knows how many: calls fail where others are silent."""
    waits_for_others: bool = False
    """With those that could not be read it may be too many: its warning, or its stop, may be left to a later sweep."""
    finishes: datetime | None = None
    """Until when it is let finish, where it is nearly done."""
    stalled_since: datetime | None = None


@dataclass
class Judged:
    """One decision: what the oracle expected and what was seen."""

    run: str
    seen: str
    expected: frozenset[str]
    why: str
    silent: bool = False
    mass: bool = False


class Oracle:
    """Follows one world. Call `before(...)`, let the sweep run, call `after(...)`."""

    def __init__(self, world: Any, account: str) -> None:
        self.world = world
        self.account = account
        self.episodes: dict[str, Episode] = {}
        self.stopped_silent: dict[str, tuple[datetime, bool]] = {}
        """When each run was stopped for its silence, and whether surely."""
        self.exempt: dict[str, datetime] = {}
        """By command: until when, by run id and by member, whatever becomes of the run."""
        self.exempt_seen: dict[tuple[str, str], datetime] = {}
        self.exempt_perhaps_seen: dict[tuple[str, str], datetime] = {}
        self.exempt_last: dict[tuple[str, str], datetime] = {}
        self.exempt_away: set[tuple[str, str]] = set()
        """Exempt tags that a sweep has missed since they were last there."""
        self.exempt_perhaps_until: dict[tuple[str, str], datetime] = {}
        self.pauses: list[tuple[datetime, datetime]] = []
        self.counts: Counter[str] = Counter()
        self.used: Counter[tuple[Any, ...]] = Counter()
        self.used_at_most: Counter[tuple[Any, ...]] = Counter()
        self.told_malformed: Counter[str] = Counter()
        self._policy: Mapping[str, Any] = {}
        self._now = datetime(1970, 1, 1, tzinfo=UTC)
        self._expected: dict[str, Expectation] = {}
        self._posts = self._mails = self._calls = self._events = 0
        self._alive: dict[str, Any] = {}
        self._snapshot: dict[str, tuple[Any, ...]] = {}
        self._faulty: frozenset[str] = frozenset()
        self._stopping: set[str] = set()
        self.ear = Ear(world)
        self._stalls: dict[str, set[datetime | None]] = defaultdict(set)
        self._path_since: datetime | None = None

    # --- what people did, told by whoever did it ---------------------------------------------------

    def paused(self, since: datetime, until: datetime) -> None:
        self.pauses.append((since, until))

    def resumed(self, at: datetime) -> None:
        self.pauses = [(since, min(until, at)) for since, until in self.pauses]

    def extended(self, run: str, until: datetime) -> None:
        self.episodes[run].extended_until.append(until)

    def exempted(self, run: str, until: datetime, members: Iterable[str]) -> None:
        """`members`: the ids of those that the run had then."""
        _, region, kind, _ = run.split("/", 3)
        for subject in (run, *(_subject(region, kind in _JOB_KINDS, name) for name in members)):
            self.exempt[subject] = until

    def released(self, run: str) -> None:
        """A person released what a cap held."""
        self.episodes[run].released = True

    # --- before the sweep --------------------------------------------------------------------------

    def before(
        self,
        document: Mapping[str, Any],
        now: datetime,
        rows: Mapping[str, Mapping[str, Any]],
        faulty_regions: Iterable[str] = (),
    ) -> None:
        """Predict. `rows`: the ledger's open rows by run id. `faulty_regions`: where calls will fail; `*`: anywhere."""
        self._stopping = {run for run, row in rows.items() if row["status"] == "stopping"}
        self._believe_what_only_the_ledger_knows(rows)
        self._policy, self._now, self._faulty = document["policy"], now, frozenset(faulty_regions)
        self._posts, self._mails, self._calls = len(self.world.posts), len(self.world.mails), len(self.world.calls)
        self._events = len(self.world.events)
        self._alive = {i.id: i for i in self.world.instances.values() if i.alive}
        self._alive.update({j.name: j for j in self.world.jobs.values() if j.status == "InProgress"})
        self._snapshot = self._world_state()
        self.ear.listen()
        arrives = self.world.heartbeats_arrive and "*" not in self._faulty and self._policy["mode"] != "off"
        every = timedelta(seconds=self._policy["sweep_every_seconds"])
        self._path_since = self.ear.path_since(every, now, now_too=arrives)
        views = self._views()
        if self._policy["mode"] != "off":
            self._see_exempt_tags([view for view in views if view.region in self._policy["regions"]])
        self._expected = {view.id: self._expect(view) for view in views}
        self._mass_silence()

    def _believe_what_only_the_ledger_knows(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        """When a sweep in which calls failed saw an exempt reason first: no earlier than it was there to be seen.

        And whether it took several silent runs for too many, where as many or fewer could be seen.
        """
        for run, row in rows.items():
            episode = self.episodes.get(run)
            if episode is not None and episode.perhaps_capped and row.get("capped_for_silence"):
                episode.capped, episode.by_mass, episode.perhaps_capped = row["mode"], True, False
            for value, at in row.get("exempt_tags", ()):
                seen, possible = datetime.fromisoformat(at), self.exempt_perhaps_seen.get((run, value))
                if possible is not None and seen >= possible:
                    self.exempt_seen.setdefault((run, value), seen)

    def _views(self) -> list[View]:
        groups: dict[tuple[str, str, str], list[Any]] = defaultdict(list)
        run_tag = self._policy["tags"]["run"]
        for instance in self.world.instances.values():
            if not instance.alive:
                continue
            if instance.tags.get(run_tag):
                kind, name = "run", instance.tags[run_tag]
            elif instance.asg:
                kind, name = "asg", instance.asg
            else:
                kind, name = "instance", instance.id
            groups[instance.region, kind, name].append(instance)
        for job in self.world.jobs.values():
            if job.status == "InProgress":
                groups[job.region, *_run_of(job)].append(job)
        return [
            View(
                f"{self.account}/{region}/{kind}/{name}",
                region,
                kind,
                tuple(sorted((m for m in members if kind not in _HEADS or m.name == name), key=_id)),
                tuple(sorted((m for m in members if kind in _HEADS and m.name != name), key=_id)),
            )
            for (region, kind, name), members in groups.items()
        ]

    def _expect(self, view: View) -> Expectation:
        policy, _now = self._policy, self._now
        if view.region not in policy["regions"]:
            return Expectation(view, frozenset({IGNORED}), "nobody looks at its region")
        if policy["mode"] == "off":
            # What was granted stays; but to switch on again is to be warned again.
            episode = self.episodes.get(view.id)
            if episode is not None:
                episode.notice, episode.interrupted = None, True
            return Expectation(view, frozenset({IGNORED}), "switched off here")
        picks = [self._pick(m) for m in view.members]
        named = {s["name"]: s for s in picks if s is not None}
        unreadable = any(m.tags is None for m in view.members)
        if not named:
            self._drop(view)
            if not unreadable:
                return Expectation(view, frozenset({IGNORED}), "no selector picks it")
            service = view.members[0].kind if view.is_job else "ec2"
            any_of_them = frozenset(s["name"] for s in policy["selectors"] if s["service"] == service)
            return Expectation(view, QUIET, "its tags cannot be read", candidates=any_of_them)
        if len(named) > 1 or unreadable:
            candidates = frozenset(named)
            if len(named) > 1:
                self._episode(view).interrupted = True  # held meanwhile, as one of its members is outside
            episode = self._episode(view)
            episode.perhaps_capped |= bool(episode.capped)
            episode.capped = ""
            return Expectation(view, QUIET, "its members belong to several selectors or nobody knows to which",
                               candidates=candidates)  # fmt: skip
        selector = next(iter(named.values()))
        if selector["mode"] == "off":
            self._drop(view)
            return Expectation(view, frozenset({IGNORED}), "its selector is off")
        episode = self._episode(view)
        made = self._judge(view, selector, episode, outside=None in picks)
        made.selector, made.mode, made.candidates = selector["name"], selector["mode"], frozenset(named)
        self._hear(made, selector, episode)
        return made

    def _hear(self, made: Expectation, selector: Mapping[str, Any], episode: Episode) -> None:
        """What its heartbeats add: silence, a stall, and, instead of a warning or a stop, that it is let finish."""
        view, now, heard = made.view, self._now, self._heard(made.view)
        if episode.start is None or heard is None:
            return
        deadline, hard_cap, made.silent = self._deadline(view, selector, episode.start, episode)
        silent_after = self._silent_after(view, selector, episode)
        by_time = self._limits_of(view, selector, episode.start, episode)[0]
        made.fell_silent = silent_after is not None and silent_after < now <= by_time
        made.last_beat_at = heard.last_at
        made.stalled_since = heard.stalled_since(now)
        ends_at = heard.finished_at(now)
        if ends_at is None or made.silent or episode.finishes is not None:
            return
        until = min(deadline + timedelta(seconds=selector["limits"]["finish_grace_seconds"]), hard_cap)
        second = timedelta(seconds=1)
        if not deadline - second < ends_at <= until + second or not (made.eligible or WARNED in made.classes):
            return
        spoken = {WARNED, STOPPED, WOULD_STOP}
        surely = deadline + second < ends_at <= until - second
        # Whole seconds are estimated: on the very second it may be either.
        made.classes = (made.classes - spoken if surely else made.classes) | {FINISHES}
        made.finishes, made.warn_due = until, made.warn_due and not surely
        made.eligible = made.eligible and not surely
        made.why = f"nearly done; {made.why}"

    def _mass_silence(self) -> None:
        """Three or more silent runs are our fault until somebody releases them: what was released counts no more.

        For each, those count too that were stopped for their silence since its own last heartbeat.
        """
        expected = [m for m in self._expected.values() if m.view.id not in self._stopping]
        due = {m.view.id for m in expected if m.silent and (m.eligible or WARNED in m.classes)}
        together = {
            m.view.id: m
            for m in expected
            if (m.fell_silent or m.view.id in due) and not self.episodes[m.view.id].released
        }
        # Past its time limit it is silent only by a notice that, after calls have failed, may not be the one in force.
        surely = sum(
            not self._is_faulty(m.view.region) and (m.fell_silent or not self.episodes[run].interrupted)
            for run, m in together.items()
        )
        for made in expected:
            episode, since = self.episodes.get(made.view.id), made.last_beat_at
            if made.view.id not in due or episode is None or episode.released or since is None:
                continue
            before = [sure for run, (at, sure) in self.stopped_silent.items() if at >= since and run not in together]
            if len(together) + len(before) < AT_LEAST:
                if self._faulty:  # who could not be read may have fallen silent, too: then it waits
                    made.classes, made.may_wait = made.classes | {KEPT}, True
                    made.waits_for_others = True
                continue
            if surely + sum(before) < AT_LEAST or made.key in episode.maybe_claimed:
                # What may be half done is finished and not held; who could not be read may have fallen silent, too.
                made.perhaps_mass, made.classes = True, made.classes | {HELD, KEPT}
                made.may_wait = made.waits_for_others = True
                continue
            made.mass, made.eligible, made.may_wait, made.warn_due = True, False, False, False
            made.classes = (made.classes - {WARNED, STOPPED, WOULD_STOP}) | {HELD}
            made.why = f"mass silence; {made.why}"

    def silences(self) -> set[datetime]:
        """When runs that beat now will be silent, if nothing comes from them: interesting instants for a story."""
        found: set[datetime] = set()
        for made in self._expected.values():
            episode, heard = self.episodes.get(made.view.id), self._heard(made.view)
            selector = next((s for s in self._policy["selectors"] if s["name"] == made.selector), None)
            if episode is None or episode.start is None or heard is None or selector is None:
                continue
            interval = self._limits_of(made.view, selector, episode.start, episode)[2]
            silent_after = heard.silent_after(interval) if interval is not None else None
            found |= {silent_after} if silent_after is not None else set()
        return found

    def _heard(self, view: View) -> Heard | None:
        everybody = [(view.region, _id(m), _start(m)) for m in (*view.members, *view.children)]
        episode = self.episodes.get(view.id)
        return self.ear.of(everybody, self._path_since, episode.left if episode is not None else None)

    def _judge(self, view: View, selector: Mapping[str, Any], episode: Episode, *, outside: bool) -> Expectation:
        """The rules in the order in which they beat each other."""
        now, mode = self._now, selector["mode"]
        self._forget_caps(view, selector, episode)
        exempt, perhaps = self._exempt(view)
        if exempt:
            episode.interrupted = True
            return Expectation(view, frozenset({KEPT}), "exempt")
        start = episode.start
        if start is None:
            return Expectation(view, frozenset({KEPT, HELD}), "it has not started, or its age is unknown")
        unproven = None in view.starts and (not view.is_job or episode.start is not None)
        deadline, hard_cap, silent = self._deadline(view, selector, start, episode)
        limits = selector["limits"]
        terms = (mode, deadline, str(selector["action"]))
        overdue = now > deadline
        opens = deadline - timedelta(seconds=limits["warn_before_seconds"])
        made = Expectation(view, frozenset({KEPT}), "in time", deadline=deadline)
        made.key = (view.id, mode, start, deadline)
        if self._is_faulty(view.region):
            episode.interrupted = True  # a sweep that could not read it cannot know that its limit was another
        else:
            # What named another mode, limit or act is void for good, even when they are set back.
            # Silence is no other limit: what named the time limit counts again when that is what makes it due.
            if episode.notice is not None and (episode.notice.terms, episode.notice.silent) != (terms, silent):
                episode.notice = episode.notice if silent else None
            if episode.asked is not None and (episode.asked, episode.asked_silent) != (terms, silent):
                episode.asked = None
        if perhaps:
            episode.interrupted = True
            made.classes, made.why = QUIET | {WARNED}, "perhaps exempt"
            return made
        if view.is_job and any(m.secondary_status == "Uploading" for m in view.members):
            made.why = "it uploads its model"
            made.classes = frozenset({KEPT, HELD} if overdue else {KEPT, WARNED})
            return made
        blocked = self._blocked(view, selector, outside=outside)
        uploads = any(child.secondary_status == "Uploading" for child in view.children)
        if uploads and now <= hard_cap and not blocked:
            # It is warned like any other; stopped, or said to be, once the child is done.
            made.why, made.uploads = "a child uploads its model", True
        if blocked or unproven:
            episode.interrupted |= bool(blocked)  # what only cannot be proven for a moment voids no notice
            made.why = blocked or "the age of a member is unknown"
            minimum = timedelta(seconds=limits["min_notice_seconds"])
            runs_on = episode.notice is not None and now <= max(
                episode.notice.stops_at, episode.notice.accepted_at + minimum
            )
            told = episode.asked is not None or runs_on or made.key in episode.would_stopped
            if blocked in _SEEN_LATE and told and overdue:
                made.classes = frozenset({KEPT, HELD})
                if mode == "observe" and blocked in _PROTECTION and not (episode.asked or runs_on):
                    # It would have been stopped by a notice that is void, as of another act: the next one nobody hears.
                    made.classes |= {WARNED}
                return made
            made.classes = frozenset({HELD}) if overdue else frozenset({KEPT, HELD} if now >= opens else {KEPT})
            if blocked in _PROTECTION and mode == "observe" and now >= opens:
                made.classes |= {WARNED}
            if unproven and not blocked:
                made.classes = QUIET
            return made
        if self._pause_active():
            episode.interrupted = True
            made.classes, made.why = frozenset({KEPT, HELD} if overdue else {KEPT}), "paused"
            return made
        if overdue and episode.capped == mode and not episode.released and (silent or not episode.by_mass):
            made.classes, made.why = frozenset({HELD}), "a cap held it and nobody released it"
            return made
        notice = episode.notice
        if notice is None or (notice.terms, notice.silent) != (terms, silent) or self._paused_since(notice.accepted_at):
            if now >= opens:
                made.warn_due = True
                made.classes, made.why = self._unwarned(terms, opens, limits, episode)
                owner = self._owner(view)
                if owner and owner != episode.asked_owner:
                    # What nobody has taken yet is not sent to who owned it before: it is asked for anew.
                    made.classes |= {WARNED}
            return made
        if now <= max(deadline, notice.accepted_at + timedelta(seconds=limits["min_notice_seconds"])):
            # The very instant at which a notice is over may count as before or as after.
            at_least = now > deadline and now >= notice.stops_at
            made.why = "its notice runs"
            made.eligible = made.may_wait = at_least
        elif now <= notice.stops_at:
            made.why, made.eligible, made.may_wait = "its card names a later time", now == notice.stops_at, True
        else:
            made.why, made.eligible = "due", True
        ended_then = any(until == notice.accepted_at for _, until in self.pauses)
        if episode.interrupted or ended_then:
            # A pause that ended in the very instant of the notice came before it or after it.
            made.classes |= {WARNED}
        minimum = timedelta(seconds=limits["min_notice_seconds"])
        past_cap = now > hard_cap and now >= notice.accepted_at + minimum
        untold = self._untold(view, notice, due=made.eligible, past_cap=past_cap)
        waits_for_nobody = mode != "enforce" and made.key in episode.would_stopped
        if untold and not (made.eligible and waits_for_nobody):
            # What changed since the notice makes another one due, no sooner than min_notice after the last.
            again = notice.asked_at + timedelta(seconds=limits["min_notice_seconds"])
            late = untold.startswith("left") and made.may_wait
            made.eligible = False
            made.may_wait = False
            made.warn_due = now >= again
            made.classes |= {WARNED} if made.warn_due else {KEPT}
            if now > again and not late:
                made.classes -= {KEPT}
            made.why = f"{untold} since its notice"
            return made
        if not made.eligible:
            return made
        outdated = now > notice.stops_at + NOTICE_LASTS
        if outdated and not waits_for_nobody:
            made.eligible = made.may_wait = False
            made.warn_due, made.classes, made.why = True, frozenset({WARNED}), "its notice is too old"
            return made
        if made.uploads:
            held = bool(episode.capped) or episode.perhaps_capped
            made.eligible = False
            made.classes = (made.classes - {STOPPED, WOULD_STOP}) | {KEPT} | ({HELD} if held else frozenset())
            made.may_wait = False
            return made
        if mode != "enforce" and made.key in episode.would_stopped:
            made.eligible, made.classes = False, made.classes | {KEPT, WARNED if outdated else WOULD_STOP}
            made.why = "would have been stopped before"
            if episode.asked_at is not None and episode.asked_at > episode.would_stopped[made.key]:
                made.classes |= {HELD}  # it was warned again, so the caps judge it again
        else:
            then = frozenset({STOPPED if mode == "enforce" else WOULD_STOP})
            made.classes = then | (made.classes if made.may_wait else made.classes - {KEPT})
        return made

    def _forget_caps(self, view: View, selector: Mapping[str, Any], episode: Episode) -> None:
        """What a cap held, and a release, last as long as the run is overdue; a release holds in one mode."""
        start, unsure = episode.start, self._is_faulty(view.region)
        overdue = start is not None and self._now > self._deadline(view, selector, start, episode)[0]
        if start is not None and not overdue:
            episode.perhaps_capped = unsure and (episode.perhaps_capped or bool(episode.capped))
            episode.capped, episode.released = "", unsure and episode.released
        if selector["mode"] != episode.mode:
            episode.perhaps_capped |= unsure and episode.released
            episode.mode, episode.released = selector["mode"], False

    def _untold(self, view: View, notice: Notice, *, due: bool, past_cap: bool) -> str:
        """Who was not told by the notice: a member that joined or started anew, one that left, another owner.

        What a group replaces is no news, as long as it has not grown; nor, past the cap, is whoever joins or starts.
        """
        starts = {_id(m): _start(m) for m in view.members}
        joined = sorted(set(starts) - set(notice.told))
        if view.kind == "asg" and len(starts) <= len(notice.told):
            joined = []
        anew = [i for i, at in starts.items() if at and notice.told.get(i) and notice.told[i] != at]
        if (joined or anew) and not past_cap:
            return f"{joined} joined, {anew} started anew"
        owner = self._owner(view)
        if owner and owner != notice.owner:
            return f"owner became {owner}"
        if due and view.kind == "run":
            world = {**self.world.instances}
            left = [i for i in set(notice.told) - set(starts) if i in world and world[i].alive]
            if left:
                return f"left: {left}"
        return ""

    def _owner(self, view: View) -> str:
        key = self._policy["tags"]["owner"]
        return next((m.tags[key] for m in view.members if m.tags and m.tags.get(key)), "")

    def _unwarned(
        self, terms: tuple[str, datetime, str], opens: datetime, limits: Mapping[str, int], episode: Episode
    ) -> tuple[frozenset[str], str]:
        """What is to come of a run in its last hour, or past it, that no notice reached yet."""
        now, asked_at, (_, deadline, _) = self._now, episode.asked_at, terms
        if episode.asked == terms and asked_at is not None and not self._paused_since(asked_at):
            patience = asked_at + timedelta(seconds=limits["min_notice_seconds"])
            classes = {KEPT} if now <= deadline else {HELD} if now > patience else {KEPT, HELD}
            return frozenset(classes | ({WARNED} if episode.interrupted else set())), "its notice was not taken yet"
        return frozenset({WARNED, KEPT} if now == opens else {WARNED}), "its notice is missing"

    def _paused_since(self, moment: datetime) -> bool:
        return any(since <= self._now and moment < until for since, until in self.pauses)

    # --- single rules ------------------------------------------------------------------------------

    def _pick(self, member: Any) -> Mapping[str, Any] | None:
        """The first selector that matches."""
        job = hasattr(member, "secondary_status")
        for selector in self._policy["selectors"]:
            if selector["service"] != (member.kind if job else "ec2"):
                continue
            if not _has_tags(member.tags, selector["tags"]):
                continue
            kind = member.instance_type if job else member.type
            if selector["types"] and not any(fnmatch.fnmatchcase(kind, t) for t in selector["types"]):
                continue
            purchase = "on_demand" if job else member.lifecycle
            if selector["purchase"] is None and purchase == "capacity_block":
                continue
            if selector["purchase"] is not None and selector["purchase"] != purchase:
                continue
            return dict(selector)
        return None

    def _blocked(self, view: View, selector: Mapping[str, Any], *, outside: bool) -> str:
        """Why it must not be stopped, whatever the time; one member is enough."""
        if view.parented:
            return "something owns it that would replace it"
        if outside:
            return "a member is outside the selector"
        if view.kind == "asg" and (held := self._group_held(view, selector)):
            return held
        key = self._policy["tags"]["owner"]
        if len({(m.tags or {}).get(key) for m in view.members} - {None, ""}) > 1:
            return "its members have several owners"
        for member in view.members:
            tags = member.tags or {}
            if NEVER in tags:
                return "costwatch:never"
            for rule in self._policy["protect"]:
                if rule["tags"] and _has_tags(tags, rule["tags"]):
                    return "protected by a rule"
                if rule["asg"] and getattr(member, "asg", None) and fnmatch.fnmatchcase(member.asg, rule["asg"]):
                    return "protected by a rule"
            if getattr(member, "protected", False):
                return "termination protection"
            if getattr(member, "scale_in_protected", False):
                return "scale-in protection"
            request = self.world.spot_requests.get(getattr(member, "spot_request_id", None) or "")
            persistent = request is not None and request.type == "persistent"
            relaunches = persistent and request.state in ("open", "active", "disabled")
            if relaunches and NEVER in request.tags:
                return "its spot request may not be cancelled"
            if selector["action"] == "stop" and not view.is_job:
                if getattr(member, "stop_protected", False):
                    return "stop protection"
                if member.lifecycle == "spot" and not persistent:
                    return "a one-time spot instance cannot be stopped"
            elif relaunches and not _has_tags(request.tags, selector["tags"]):
                return "its spot request may not be cancelled"
        return ""

    def _group_held(self, view: View, selector: Mapping[str, Any]) -> str:
        """What AWS would not look at: the group itself, its settings, and its instances under other tags."""
        name = view.id.rpartition("/")[2]
        group = self.world.groups.get((view.region, name))
        if group is None:
            return "its group is gone"
        if selector["action"] == "stop":
            return "a group replaces what is stopped"
        run_tag = self._policy["tags"]["run"]
        if any(i.alive and i.asg == name and i.region == view.region and i.tags.get(run_tag)
               for i in self.world.instances.values()):  # fmt: skip
            return "an instance of it carries a run tag"
        if NEVER in group.tags or not _has_tags(group.tags, selector["tags"]):
            return "the group itself may not be touched"
        if any(rule["tags"] and _has_tags(group.tags, rule["tags"]) for rule in self._policy["protect"]):
            return "the group itself is protected"
        if group.controller or group.warm_pool or "Terminate" in group.suspended:
            return "its settings would keep or bring back what is stopped"
        if group.min_size > 0 and selector["at_min_size"] == "hold":
            return "it is at its minimum size"
        balances = len(group.zones) > 1 and "AZRebalance" not in group.suspended
        if balances and selector["az_rebalance"] == "hold":
            return "AWS would balance its zones"
        return ""

    def _see_exempt_tags(self, views: Iterable[View]) -> None:
        """Since when each is there, until it was away for more than 7 days; when it was last there is known by day."""
        now, seen = self._now, set()
        for view in views:
            for value in {m.tags[self._policy["tags"]["exempt"]] for m in view.members if self._has_exempt(m)}:
                key, faulty = (view.id, value), self._is_faulty(view.region)
                seen.add(key)
                away = now - self.exempt_last.get(key, now)
                if away > REASON_LASTS and key in self.exempt_away and not faulty:
                    del self.exempt_perhaps_seen[key], self.exempt_seen[key]
                elif away > REASON_LASTS - timedelta(days=1) and (
                    key in self.exempt_away or view.id not in self.episodes
                ):
                    self.exempt_perhaps_until[key] = now + REASON_LASTS
                self.exempt_perhaps_seen.setdefault(key, now)
                if not faulty:
                    self.exempt_seen.setdefault(key, now)
                    self.exempt_last[key] = now
                    self.exempt_away.discard(key)
        gone = {key for key in self.exempt_last if not self._is_faulty(key[0].split("/")[1])} - seen
        self.exempt_away |= gone

    def _has_exempt(self, member: Any) -> bool:
        return self._policy["tags"]["exempt"] in (member.tags or {})

    def _exempt(self, view: View) -> tuple[bool, bool]:
        """(surely exempt, perhaps exempt): an unreadable `until` may be taken for a reason."""
        now, key = self._now, self._policy["tags"]["exempt"]
        held = list(view.members)
        if view.kind == "asg":
            # A group has all its instances, whatever they are tagged as, and is stopped whole or not at all.
            held += [i for i in self.world.instances.values()
                     if i.alive and i.region == view.region and i.asg == view.id.rpartition("/")[2]]  # fmt: skip
        subjects = (view.id, *(_subject(view.region, view.is_job, _id(m)) for m in held))
        if any(now < self.exempt.get(subject, now) for subject in subjects):
            return True, True
        surely = perhaps = False
        for member in view.members:
            value = (member.tags or {}).get(key)
            if value is None:
                continue
            until = _instant(value[5:].strip()) if value.lower().startswith("until") else None
            first = self.exempt_perhaps_seen[view.id, value]
            if until is not None:
                surely |= now < min(until, first + LONGEST_EXEMPTION)
                continue
            lasts = now < first + REASON_LASTS
            perhaps |= now < self.exempt_perhaps_until.get((view.id, value), now)
            perhaps |= lasts or now < self.exempt_seen.get((view.id, value), now) + REASON_LASTS
            surely |= lasts and not value.lower().startswith("until")
        return surely, surely or perhaps

    def _deadline(
        self, view: View, selector: Mapping[str, Any], start: datetime, episode: Episode
    ) -> tuple[datetime, datetime, bool]:
        """When its time is up, the hard cap, and whether it is its silence that makes it due.

        Of a silent run whichever lets it be stopped first: a notice that was given is not given up for another one.
        """
        at, hard_cap, _ = self._limits_of(view, selector, start, episode)
        silent_after = self._silent_after(view, selector, episode)
        if silent_after is None or self._now <= silent_after:
            return at, hard_cap, False
        minimum = timedelta(seconds=selector["limits"]["min_notice_seconds"])
        held = episode.by_mass and bool(episode.capped) and not episode.released
        said = None if held else self._said(selector, episode, minimum)
        if self._now > at:
            silent = said is not None and said[:2] == (silent_after, True)
        else:
            silent = said is None or said[:2] != (at, False) or said[2] > self._now + minimum
        return (silent_after, hard_cap, True) if silent else (at, hard_cap, False)

    def _said(
        self, selector: Mapping[str, Any], episode: Episode, minimum: timedelta
    ) -> tuple[datetime, bool, datetime] | None:
        """Of the notice in force, taken or not: the deadline it named, whether of silence, and until when it runs."""
        terms = (selector["mode"], str(selector["action"]))
        notice, asked = episode.notice, episode.asked
        if notice is not None and (notice.terms[0], notice.terms[2]) == terms:
            if self._paused_since(notice.asked_at):
                return None
            until = max(notice.terms[1], notice.accepted_at + minimum, notice.stops_at)
            return notice.terms[1], notice.silent, until
        if (
            asked is not None
            and (asked[0], asked[2]) == terms
            and not self._paused_since(episode.asked_at or self._now)
        ):
            return asked[1], episode.asked_silent, max(asked[1], self._now + minimum)
        return None

    def _silent_after(self, view: View, selector: Mapping[str, Any], episode: Episode) -> datetime | None:
        if episode.start is None:
            return None
        interval = self._limits_of(view, selector, episode.start, episode)[2]
        heard = self._heard(view)
        if heard is None or interval is None:
            return None
        told = self._told_of_its_silence(view, selector, episode)
        if told is not None and heard.last_at <= told[1]:
            # What it would have been stopped for is said; where the canaries stopped since it is not said again.
            unbroken = replace(heard, path_since=heard.last_at).silent_after(interval)
            if unbroken is not None and max([unbroken, *episode.extended_until]) <= told[0]:
                return told[0]
        silent_after = heard.silent_after(interval)
        return max([silent_after, *episode.extended_until]) if silent_after is not None else None

    def _told_of_its_silence(
        self, view: View, selector: Mapping[str, Any], episode: Episode
    ) -> tuple[datetime, datetime] | None:
        """The deadline that its notice of silence named, and when it would have been stopped by it."""
        notice, mode = episode.notice, selector["mode"]
        if notice is None or not notice.silent or mode == "enforce" or self._paused_since(notice.asked_at):
            return None
        if (notice.terms[0], notice.terms[2]) != (mode, str(selector["action"])):
            return None
        told = [at for key, at in episode.would_stopped.items() if (key[0], key[1]) == (view.id, mode)
                and key[3] == notice.terms[1] and at > notice.asked_at]  # fmt: skip
        return (notice.terms[1], max(told)) if told else None

    def _limits_of(
        self, view: View, selector: Mapping[str, Any], start: datetime, episode: Episode
    ) -> tuple[datetime, datetime, timedelta | None]:
        """When its time is up, the hard cap, and in which time a beat is expected: nobody asks for one where a tag
        cannot be read."""
        keys, limits = self._policy["tags"], selector["limits"]
        hard_cap = start + timedelta(seconds=limits["hard_cap_seconds"])
        runtimes: list[timedelta] = []
        deadlines: list[datetime] = []
        intervals: list[timedelta] = []
        for member in view.members:
            tags = member.tags or {}
            exempt = tags.get(keys["exempt"], "")
            if exempt.lower().startswith("until") and _instant(exempt[5:].strip()) is None:
                return hard_cap, hard_cap, None
            if keys["max_runtime"] in tags:
                runtime = _duration(tags[keys["max_runtime"]])
                if runtime is None:
                    return hard_cap, hard_cap, None
                runtimes.append(runtime)
            if keys["heartbeat"] in tags:
                interval = _duration(tags[keys["heartbeat"]])
                if interval is None:
                    return hard_cap, hard_cap, None
                intervals.append(interval)
            if keys["deadline"] in tags:
                at = _instant(tags[keys["deadline"]])
                if at is None:
                    return hard_cap, hard_cap, None
                deadlines.append(at)
        base = start + max(runtimes, default=timedelta(seconds=limits["max_runtime_seconds"]))
        if deadlines:
            base = max(deadlines)
        if not intervals and selector["heartbeat_seconds"] is not None:
            intervals.append(timedelta(seconds=selector["heartbeat_seconds"]))
        granted = [*episode.extended_until, *([episode.finishes] if episode.finishes is not None else [])]
        return min(max([base, *granted]), hard_cap), hard_cap, max(intervals, default=None)

    def _pause_active(self) -> bool:
        return any(since <= self._now < until for since, until in self.pauses)

    def _is_faulty(self, region: str) -> bool:
        return "*" in self._faulty or region in self._faulty

    # --- memory ------------------------------------------------------------------------------------

    def _episode(self, view: View) -> Episode:
        known = self.episodes.get(view.id)
        starts = [s for s in view.starts if s is not None]
        if known is not None:
            if view.kind in ("instance", "training", "processing", *_HEADS):
                same = known.start is None or not starts or min(starts) == known.start
            else:
                same = known.start is None or bool(known.signature & _remembered(view, known))
            if same:
                # One clock: while any member runs on, the run's start stays; so does one that an answer leaves out.
                both = [s for s in (known.start, *starts) if s is not None]
                here = _remembered(view, known)
                for name, start in known.signature - here:
                    known.left = self.ear.left(view.region, name, start, known.left)
                known.start, known.signature = min(both, default=None), here
                return known
        fresh = Episode(view.signature, min(starts, default=None))
        self.episodes[view.id] = fresh
        return fresh

    def _drop(self, view: View) -> None:
        """Nobody picks it now: what was warned is void, what was granted or held for a release stays."""
        episode = self.episodes.get(view.id)
        if episode is not None and not self._is_faulty(view.region):
            episode.notice, episode.asked, episode.interrupted = None, None, True

    # --- after the sweep ---------------------------------------------------------------------------

    def after(self, report: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]) -> list[Judged]:
        """Compare. `report`: what the sweep returned, as a document. `rows`: the ledger's open rows by run id.

        Raises Violation.
        """
        verdicts = {run["run"]: run["verdict"] for run in report["runs"]}
        posts, mails = self._warnings()
        strangers = {run for run in (*posts, *mails) if run not in self._expected and not self._faulty}
        if strangers:
            raise Violation(f"people heard that {strangers} stops; no such run is there")
        judged: list[Judged] = []
        stopped_now = self._stopped_now()
        self._check_world(stopped_now)
        self._check_events()
        for run, made in self._expected.items():
            seen = self._seen(made, verdicts.get(run), rows.get(run), stopped_now)
            heard = posts[run] + mails[run]
            self._compare(made, seen, heard, rows.get(run))
            self._check_stall(made, rows.get(run), verdicts.get(run))
            judged.append(Judged(run, seen, made.classes, made.why, made.silent, made.mass))
            self.counts[seen] += 1
        self._check_caps({j.run: j.seen for j in judged})
        self._remember({j.run: j.seen for j in judged}, posts, mails)
        return judged

    def _seen(self, made: Expectation, verdict: str | None, row: Mapping[str, Any] | None, stopped: set[str]) -> str:
        if any(_id(m) in stopped for m in made.view.members):
            return STOPPED
        if verdict == "warn":
            # The verdict is its own; the ledger says whether the sweep acted by it or left it to the next.
            asked_at = ((row or {}).get("notice") or {}).get("requested_at")
            asked_now = asked_at is not None and datetime.fromisoformat(asked_at) == self._now
            return WARNED if asked_now or not made.waits_for_others else KEPT
        if verdict == FINISHES:
            return FINISHES
        if verdict == "hold" or (verdict == "stop" and row is not None and row["status"] == "held"):
            return HELD
        if verdict == "stop" and made.mode in ("observe", "warn"):
            return WOULD_STOP
        return KEPT if verdict is not None else IGNORED

    def _compare(self, made: Expectation, seen: str, heard: int, row: Mapping[str, Any] | None) -> None:
        run, allowed = made.view.id, made.classes
        episode = self.episodes.get(run)
        faulty = self._is_faulty(made.view.region)
        if made.why == "its notice was not taken yet" and heard:
            allowed |= {KEPT}  # taken just now
        if made.eligible or (episode is not None and episode.perhaps_capped):
            allowed = allowed | {HELD}  # judged with the caps
        if seen == STOPPED and self._emptied_before(made.view):
            allowed = allowed | {STOPPED}  # the late effect of a stop that was due when it was begun
        if faulty:
            allowed = allowed | QUIET
        elif episode is not None and seen not in allowed and seen in QUIET:
            begun = any(self._now < until for until in episode.maybe_claimed.values())
            # What is being stopped is verified first; what came back is judged anew by the next sweep.
            if (begun or run in self._stopping) and episode.lenient < MOST_LENIENT_SWEEPS:
                episode.lenient += 1
                return
        elif episode is not None:
            episode.lenient = 0
        if seen not in allowed:
            self._fail(made, f"was {seen}; the documents say {' or '.join(sorted(allowed))} ({made.why})", row)
        late = made.why in _SEEN_LATE and episode is not None and episode.asked is not None
        if heard and seen != WARNED and not made.warn_due and not faulty and not late:
            self._fail(made, f"people heard that it stops, and it does not ({made.mode}, {made.why})", row)
        if heard and made.mode in ("observe", "off"):
            self._fail(made, "people heard a warning in a mode that is silent", row)

    def _emptied_before(self, view: View) -> bool:
        """An earlier sweep set the group's numbers to nothing: it ended its instances itself, and nobody asked now."""
        name = f"{view.region}/asg/{view.id.rpartition('/')[2]}"
        if view.kind != "asg" or self._snapshot.get(name, (1, 1))[:2] != (0, 0):
            return False
        ours = {_id(m) for m in view.members}
        return not any(
            operation in _DESTROYS and ours & set(ids) for operation, _, ids in self.world.calls[self._calls :]
        )

    def _check_stall(self, made: Expectation, row: Mapping[str, Any] | None, verdict: str | None) -> None:
        """A stall is told of by its instant, in the sweep that sees it; nobody is told of one that is none."""
        stalls = self._stalls[made.view.id] | {made.stalled_since}
        self._stalls[made.view.id] = stalls
        if verdict is None or row is None or row["status"] == "stopping":
            return
        told = datetime.fromisoformat(row["stalled_told"]) if row.get("stalled_told") else None
        # Whoever is due now hears of that, and of the stall in the sweep after, if it is still there.
        if made.stalled_since not in (None, told) and verdict != "stop" and not self._is_faulty(made.view.region):
            self._fail(made, f"is stalled since {made.stalled_since} and that was not told", row)
        if told not in stalls | {None}:
            self._fail(made, f"was told to be stalled since {told}, and it was not", row)

    def _fail(self, made: Expectation, what: str, row: Mapping[str, Any] | None) -> None:
        episode = self.episodes.get(made.view.id)
        raise Violation(
            f"{made.view.id} at {self._now.isoformat()}: {what}\n  selector {made.selector} mode {made.mode}"
            f" deadline {made.deadline}\n  members {made.view.members}\n  memory {episode}\n  row {row}"
        )

    def _warnings(self) -> tuple[Counter[str], Counter[str]]:
        """Warnings that were accepted in this sweep, by run."""
        posts: Counter[str] = Counter()
        mails: Counter[str] = Counter()
        self._named_times: dict[str, str] = {}
        for _, _, card in self.world.posts[self._posts :]:
            if re.search(r" (stops|would stop) in ", card.text):
                run = _run_named_in(str(card.blocks))
                posts[run] += 1
                self._named_times[run] = re.findall(r"\((\d\d:\d\d) UTC\)", card.text)[0]
        if self.world.topic_has_listener:
            for _, subject, text in self.world.mails[self._mails :]:
                if re.search(r" (stops|would stop) in ", subject):
                    mails[_run_named_in(text)] += 1
        return posts, mails

    def _stopped_now(self) -> set[str]:
        gone = set()
        for name, thing in self._alive.items():
            if thing.ended_by == "costwatch":
                gone.add(name)
        return gone

    def _world_state(self) -> dict[str, tuple[Any, ...]]:
        state: dict[str, tuple[Any, ...]] = {}
        for i in self.world.instances.values():
            state[i.id] = (i.state, tuple(sorted(i.tags.items())), i.protected, i.launch_time)
        for j in self.world.jobs.values():
            state[j.name] = (j.status, j.secondary_status, tuple(sorted((j.tags or {}).items())))
        for r in self.world.spot_requests.values():
            state[r.id] = (r.state,)
        for (region, name), g in self.world.groups.items():
            state[f"{region}/asg/{name}"] = (g.min_size, g.desired, g.max_size)
        return state

    def _check_world(self, stopped: set[str]) -> None:
        """Only runs that were expected to be stopped changed, each whole, and nothing came back."""
        changed = {k for k, v in self._world_state().items() if self._snapshot.get(k) != v}
        may: set[str] = set()
        for made in self._expected.values():
            ids = {_id(m) for m in (*made.view.members, *made.view.children)}
            if ids & stopped:
                may |= ids
                if not ids <= stopped and not self._is_faulty(made.view.region):
                    self._fail(made, f"was stopped in part: only {sorted(ids & stopped)}", None)
            if made.eligible and made.mode == "enforce":
                if made.view.kind == "asg":
                    name = made.view.id.rpartition("/")[2]
                    may.add(f"{made.view.region}/asg/{name}")
                    group = self.world.groups.get((made.view.region, name))
                    if ids & stopped and group is not None and (group.min_size, group.desired) != (0, 0):
                        self._fail(made, "its instances were ended and its numbers were left", None)
                may |= {r for m in made.view.members if (r := getattr(m, "spot_request_id", None))}
        for name in stopped:
            thing = self._alive[name]
            request = self.world.spot_requests.get(getattr(thing, "spot_request_id", None) or "")
            if (
                getattr(thing, "state", "") == "terminated"
                and request is not None
                and request.type == "persistent"
                and request.state != "cancelled"
            ):
                raise Violation(f"{name} was terminated while its persistent request is {request.state}")
        if changed - may:
            raise Violation(f"the sweep changed what it must not touch: {sorted(changed - may)}")
        for operation, region, ids in self.world.calls[self._calls :]:
            if operation in _DESTROYS:
                for name in ids:
                    if not any(self._may_destroy(made, operation, region, name) for made in self._expected.values()):
                        run = [made for made in self._expected.values() if name in str(made.view.members)]
                        raise Violation(f"{operation} was called for {name} in {region}, not to be stopped now: {run}")

    def _check_events(self) -> None:
        """Whoever is told that a run was terminated can rely on it: what somebody stopped instead is there still."""
        for event in self.world.events[self._events :]:
            members = [self.world.instances[i] for i in event["members"] if i in self.world.instances]
            halted = [m.id for m in members if m.state in ("stopping", "stopped")]
            if event["action"] == "terminate" and halted:
                raise Violation(f"{event['run']} is said to be terminated, and {halted} are stopped")

    def _may_destroy(self, made: Expectation, operation: str, region: str, name: str) -> bool:
        if not made.eligible or made.mode != "enforce" or made.view.region != region:
            return False
        action = next(s["action"] for s in self._policy["selectors"] if s["name"] == made.selector)
        if made.view.kind == "asg":
            if operation == "UpdateAutoScalingGroup":
                return name == made.view.id.rpartition("/")[2]
            if operation not in (*_GROUPS, "CancelSpotInstanceRequests"):
                return False
        elif operation not in ([_STOPS_JOB.get(made.view.kind)] if made.view.is_job else _DESTROYS_BY[action]):
            return False
        return any(name in (_id(m), getattr(m, "spot_request_id", None)) for m in made.view.members)

    # --- caps --------------------------------------------------------------------------------------

    def _check_caps(self, seen: Mapping[str, str]) -> None:
        """No cap is passed, and what is held though nothing else holds it has a cap that is reached."""
        cap = self._policy["blast_cap"]
        slot = int(self._now.timestamp()) // self._policy["sweep_every_seconds"]
        day = self._now.date()
        surely: Counter[str] = Counter()
        perhaps: Counter[str] = Counter()
        for made in self._expected.values():
            for name in made.candidates:
                perhaps[name] += 1
            if len(made.candidates) == 1 and not self._faulty and self._in_report(made, seen):
                surely[next(iter(made.candidates))] += 1
        before = Counter(self.used_at_most)  # what this window stopped was among the selector's runs when it began
        capped: list[tuple[Expectation, list[tuple[tuple[Any, ...], int]]]] = []
        for run, made in self._expected.items():
            if not made.eligible or made.key is None:
                continue
            episode = self.episodes[run]
            share, name = Decimal(cap["share"]), str(made.selector)
            shared = ("share", made.mode, name, slot)
            counters = [
                (("runs", made.mode, slot), cap["runs"], cap["runs"]),
                (shared, max(1, int(share * (perhaps[name] + before[shared]))), max(1, int(share * surely[name]))),
                (("day", made.mode, day), cap["per_day"], cap["per_day"]),
            ]  # fmt: skip
            if seen[run] in (STOPPED, WOULD_STOP):
                for counter, most, _ in counters:
                    self.used_at_most[counter] += 1
                    if made.key in episode.maybe_claimed or episode.released:
                        continue  # counted when it was begun; or its cap was lifted
                    self.used[counter] += 1
                    if self.used[counter] > most:
                        self._fail(made, f"passed the cap {counter}: {self.used[counter]} of {most}", None)
            elif self._is_faulty(made.view.region):
                for counter, _, _ in counters:
                    self.used_at_most[counter] += 1
            elif seen[run] == HELD and not made.perhaps_mass:
                capped.append((made, [(counter, low) for counter, _, low in counters]))
        for made, limits in capped:
            episode = self.episodes[made.view.id]
            if made.key in episode.maybe_claimed or episode.perhaps_capped:
                episode.perhaps_capped = True
                continue
            if episode.released:
                self._fail(made, "was released and is held again by a cap", None)
            if not any(self.used_at_most[counter] >= low for counter, low in limits):
                self._fail(made, f"is held and no cap is reached: {limits}", None)
            episode.capped, episode.by_mass, episode.released = made.mode, False, False

    def _in_report(self, made: Expectation, seen: Mapping[str, str]) -> bool:
        return seen[made.view.id] != IGNORED

    def _remember(self, seen: Mapping[str, str], posts: Counter[str], mails: Counter[str]) -> None:
        for run, made in self._expected.items():
            episode = self.episodes.get(run)
            if episode is None:
                continue
            if seen[run] == WARNED and made.why.endswith("since its notice"):
                episode.capped, episode.released = "", False
            if seen[run] == WARNED and made.deadline is not None:
                limits = self._limits(made.selector)
                action = next(str(s["action"]) for s in self._policy["selectors"] if s["name"] == made.selector)
                episode.asked, episode.asked_at = (made.mode, made.deadline, action), self._now
                episode.asked_notice = timedelta(seconds=limits["min_notice_seconds"])
                episode.asked_for = {_id(m): _start(m) for m in made.view.members}
                episode.asked_owner, episode.asked_silent = self._owner(made.view), made.silent
                episode.notice = None
                if made.mode == "observe":
                    self._accept(episode)
            if posts[run] or mails[run]:
                self._accept(episode)
                named = self._named_times.get(run)
                if named and episode.notice is not None and episode.notice.stops_at.strftime("%H:%M") != named:
                    self._fail(made, f"its card names {named}, not {episode.notice.stops_at}", None)
            if made.silent and not episode.released and made.key not in episode.would_stopped:
                sure = seen[run] in (STOPPED, WOULD_STOP) and not self._is_faulty(made.view.region)
                if sure or (made.eligible and self._is_faulty(made.view.region)):
                    self.stopped_silent[run] = self._now, sure
            if made.perhaps_mass and seen[run] == HELD:
                episode.perhaps_capped = True
            if made.mass and seen[run] == HELD:
                episode.capped, episode.by_mass, episode.released = made.mode, True, False
            if seen[run] == FINISHES:
                episode.finishes, episode.notice, episode.asked = made.finishes, None, None
            if seen[run] == HELD and made.why == "would have been stopped before":
                episode.perhaps_capped = True
            if seen[run] == WOULD_STOP and made.key is not None:
                episode.would_stopped[made.key] = self._now
            if made.eligible and seen[run] not in (STOPPED, WOULD_STOP) and self._is_faulty(made.view.region):
                episode.maybe_claimed[made.key or ()] = self._now + LEASE
                if seen[run] == HELD:
                    episode.perhaps_capped = True

    def _limits(self, selector: str | None) -> Mapping[str, int]:
        found: Mapping[str, int] = next(s["limits"] for s in self._policy["selectors"] if s["name"] == selector)
        return found

    def _accept(self, episode: Episode) -> None:
        if episode.asked is None:
            return
        stops_at = _next_minute(max(episode.asked[1], self._now + episode.asked_notice))
        asked_at = episode.asked_at or self._now
        told, owner, silent = episode.asked_for, episode.asked_owner, episode.asked_silent
        episode.notice = Notice(episode.asked, self._now, stops_at, asked_at, told, owner, silent)
        episode.asked, episode.interrupted = None, False


# --- plain helpers -----------------------------------------------------------------------------------


def _run_of(job: Any) -> tuple[str, str]:
    """Kind and name of the run that a job belongs to."""
    if job.automl_job:
        return "automl", job.automl_job
    if job.tuning_job:
        return "tuning", job.tuning_job
    return ("schedule", job.schedule) if job.schedule else (job.kind, job.name)


def _remembered(view: View, known: Episode) -> frozenset[tuple[str, datetime | None]]:
    """The view's members, each with its start or, where the answer leaves that out, with the one it had."""
    before = dict(known.signature)
    return frozenset((name, start or before.get(name)) for name, start in view.signature)


def _subject(region: str, is_job: bool, name: str) -> str:
    return f"{region}/{'job' if is_job else 'ec2'}/{name}"


def _id(member: Any) -> str:
    return str(getattr(member, "name", None) or member.id)


def _start(member: Any) -> datetime | None:
    if hasattr(member, "secondary_status"):
        started: datetime | None = member.started_at
        return started
    launched: datetime | None = member.launch_time
    return launched if member.state in ("pending", "running") else None


def _next_minute(moment: datetime) -> datetime:
    """People read minutes: a card never names a time before the real one."""
    whole = moment.replace(second=0, microsecond=0)
    return whole if whole == moment else whole + timedelta(minutes=1)


def _has_tags(tags: Mapping[str, str] | None, wanted: Mapping[str, list[str]]) -> bool:
    return all(key in (tags or {}) and (tags or {})[key] in values for key, values in wanted.items())


def _duration(text: str) -> timedelta | None:
    """12h, 90m, 2d, 1h30m, PT12H; None: malformed."""
    match = re.fullmatch(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?", text) or re.fullmatch(
        r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?", text
    )
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes) or None


def _instant(text: str) -> datetime | None:
    """RFC 3339; None: malformed."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text):
        return None
    return datetime.fromisoformat(text).astimezone(UTC)


def _run_named_in(text: str) -> str:
    match = re.search(r"\d{12}/[a-z0-9-]+/[a-z]+/[\w.:-]+", text)
    return match.group(0) if match else ""
