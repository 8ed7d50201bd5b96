"""A sweep that lists only what can matter comes to what a sweep that lists everything comes to.

The same stories are told in two worlds. In one, EC2's filters leave out whatever they may; in the other nothing is left
out. After each sweep the same instances run, the same people were told the same, and the ledgers agree about every run
that anything was said or done to. What was left out is a run that the other sweep keeps without a word.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from costwatch.adapters.ledger_codec import record_from_item
from costwatch.core.heartbeats import BeatKind
from costwatch.core.record import RunRecord
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import HOUR, MINUTE
from tests.support.fakes import FakeInstance, FakeJob, Town
from tests.support.random_fleets import Story, Tape, shape_from

STORIES = 400
CENT = Decimal("0.01")
_UNSAID = ("Costwatch observes", "accelerator")
"""Texts of messages about what a census counts, or about runs that ended before anything was due."""
_SPENT = re.compile(r"\$[\d,.]+(?= so far)|(?<=spent )\$[\d,.]+")
_FORECAST = re.compile(r"Forecast\n[^\n]*")
_OWN = frozenset(
    {
        "version",
        "first_seen_at",
        "hourly_rate_usd",
        "price_note",
        "policy_digest",
        "config_commit",
        "restarts",
        "rate_since",
        "spent_before_usd",
        "would_stop_spent_usd",
        "forecast",
    }
)
"""What tells when a row was first written, and how often. What it cost is compared apart; what it was expected to cost
tells when it was first seen, and which runs of its family had been."""


class _World(Protocol):
    town: Town

    def rows(self) -> Mapping[str, Mapping[str, Any]]: ...


class _Anybody:
    """In place of the oracle: it knows every run and says nothing."""

    class _Every:
        def __contains__(self, _run_id: object) -> bool:
            return True

    episodes = _Every()

    def __getattr__(self, _name: str) -> Any:
        return lambda *_arguments: None


@dataclass
class _Told(Story):
    """A story that writes down, or follows, whatever depends on the ledger: the ledgers are not the same."""

    choices: deque[Any] = field(default_factory=deque)
    follows: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.oracle = _Anybody()  # type: ignore[assignment]

    def sweep(self) -> list[Any]:
        sweep(self.town.watchdog())
        self.faults.clear()
        return []

    def record(self, tape: Tape) -> RunRecord | None:
        if not self.follows:
            found = super().record(tape)
            self.choices.append((tape.at, found.run_id if found is not None else None))
            return found
        tape.at, run_id = self.choices.popleft()
        return next((r for r in self.records() if r.run_id == run_id), None)

    def _hide_start(self, thing: FakeInstance | FakeJob) -> None:
        """Only where it is in the ledgers of both, or in neither's: what nobody has seen yet is held (see below)."""
        if not self.follows:
            known = {member["id"] for row in self.rows().values() for member in row["members"]}
            name = thing.name if isinstance(thing, FakeJob) else thing.id
            self.choices.append(isinstance(thing, FakeJob) or name in known)
        if self.choices.popleft() if self.follows else self.choices[-1]:
            super()._hide_start(thing)

    def _interesting_instants(self) -> set[datetime]:
        if not self.follows:
            limit, now = timedelta(hours=self.shape.runtime_hours), self.town.clock.now
            ends = {i.launch_time + limit for i in self.alive() if isinstance(i, FakeInstance) and i.launch_time}
            warned = {end - HOUR for end in ends}
            marks = super()._interesting_instants() | {mark for mark in ends | warned if mark >= now}
            self.choices.append(marks)
            return marks
        then: set[datetime] = self.choices.popleft()
        return then


def said(story: _World) -> Counter[tuple[Any, ...]]:
    """What people were told, and where.

    Without what was spent: the cost of members that left before a run was first looked at is in one ledger only. And
    without what was forecast then, of the members that it had.
    """
    world = story.town.world
    posts = [(at, channel, card.text) for at, channel, card in world.posts]
    texts = [*posts, *world.mails, *((str(event["run"]), str(event.get("reason", ""))) for event in world.events)]
    heard = [
        tuple(_FORECAST.sub("", _SPENT.sub("$", each)) if isinstance(each, str) else each for each in text)
        for text in texts
    ]
    return Counter(text for text in heard if not any(part in str(text) for part in _UNSAID))


def running(story: _World) -> dict[str, str]:
    world = story.town.world
    return {**{i.id: f"{i.state} {i.ended_by}" for i in world.instances.values()},
            **{j.name: f"{j.status} {j.ended_by}" for j in world.jobs.values()}}  # fmt: skip


def compared(row: Mapping[str, Any], first: str) -> dict[str, Any]:
    """A row without what only tells when it was first written.

    `first`: when the other ledger's was. What members had said that left in between is known to one of them only.
    """
    own = _OWN if row["first_seen_at"] == first else _OWN | {"heard"}
    body = {name: value for name, value in row.items() if name not in own}
    if "notice" in body:
        body["notice"] = {name: value for name, value in body["notice"].items() if name != "id"}
    return body


def quiet(row: Mapping[str, Any]) -> bool:
    """Nothing was said to it, granted it or done to it."""
    spoken = any(row.get(name) for name in ("notice", "hold", "stop", "extensions", "exemption", "order", "finishing"))
    return row["status"] == "running" and not spoken and not row["malformed_told"] and "stalled_told" not in row


def _costs_agree(few: _World, all_: _World, run_id: str, been_in: Mapping[str, set[str]]) -> bool:
    """To the cent; what members cost that left before a later first look is known only to who had looked before.

    `been_in`: the runs of each member that `all_` has ever known. One that came from another run counts there from its
    coming only; whoever had not looked at that other run counts it from its start, since nobody else has.
    """
    now = few.town.clock.now
    known, whole = (record_from_item(world.rows()[run_id]) for world in (few, all_))
    later = known.first_seen_at > whole.first_seen_at
    moved = later and any(been_in[member.id] - {run_id} for member in known.members)
    pairs = (
        (known.spent_usd(now), whole.spent_usd(now)),
        (known.spent_by_would_stop_usd, whole.spent_by_would_stop_usd),
    )
    for ours, theirs in pairs:
        if ours is None or theirs is None:
            if ours is not theirs:
                return False
        elif (ours > theirs + CENT and not moved) or (ours < theirs - CENT and not later):
            return False
    return True


def agree(few: _World, all_: _World, been_in: defaultdict[str, set[str]] | None = None) -> Counter[str]:
    """Raises AssertionError where the two have come to something else. `been_in`: kept from sweep to sweep."""
    been_in = been_in if been_in is not None else defaultdict(set)
    for run_id, row in all_.rows().items():
        for member in row["members"]:
            been_in[member["id"]].add(run_id)
    assert running(few) == running(all_)
    assert said(few) == said(all_)
    left_out = dict(all_.rows())
    for run_id, row in few.rows().items():
        whole = left_out.pop(run_id)
        assert compared(row, whole["first_seen_at"]) == compared(whole, row["first_seen_at"]), run_id
        assert _costs_agree(few, all_, run_id, been_in), run_id
    for run_id, row in left_out.items():
        assert quiet(row), f"{run_id} was left out: {row}"
    return Counter({"rows": len(few.rows()), "left out": len(left_out), "said": said(few).total()})


def test_filters_leave_out_only_what_is_kept_without_a_word(record_property: Callable[[str, object], None]) -> None:
    seen: Counter[str] = Counter()

    @seed(20261127)
    @settings(
        max_examples=STORIES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(
        setup=st.binary(min_size=12, max_size=12),
        fleet=st.lists(st.binary(min_size=14, max_size=14), min_size=8, max_size=20),
        happenings=st.lists(st.binary(min_size=90, max_size=90), min_size=3, max_size=6),
    )
    def stories(setup: bytes, fleet: list[bytes], happenings: list[bytes]) -> None:
        tape = Tape(setup)
        shape = replace(shape_from(tape), share="1")
        few, all_ = _Told(shape), _Told(shape, follows=True)
        few.town.listed_whole, all_.choices = 0, few.choices
        for story in (few, all_):
            for blueprint in fleet:
                story.launch(blueprint)
            story.sweep()
        been_in: defaultdict[str, set[str]] = defaultdict(set)
        seen.update(agree(few, all_, been_in))
        for blueprint in happenings:
            for story in (few, all_):
                story.step(blueprint)
            seen.update(agree(few, all_, been_in))

    stories()
    record_property("counted", ", ".join(f"{name} {count:,}" for name, count in seen.items()))
    assert seen["left out"] > STORIES, seen
    assert seen["rows"] > STORIES, seen
    assert seen["said"] > STORIES, seen


# --- heartbeats ---------------------------------------------------------------------------------------------------

_EVERY = 5 * MINUTE
_SWEEPS = 60


@dataclass
class _Trainers:
    """Young trainers that beat, fall silent, stall, go on, end or are done, as `luck` has it."""

    luck: random.Random
    listed_whole: int
    town: Town = field(init=False)
    trainers: list[tuple[FakeInstance, str, int, int]] = field(init=False)

    def __post_init__(self) -> None:
        mode, interval = self.luck.choice(("observe", "enforce")), self.luck.choice((600, 900))
        selectors = [
            policies.selector("asked", heartbeat_seconds=interval),
            policies.selector("others", mode, tags={"Purpose": ["batch"]}),
        ]
        self.town = Town(policies.policy(mode="enforce", selectors=selectors), listed_whole=self.listed_whole)
        self.trainers = [self._trainer(number) for number in range(8)]

    def _trainer(self, number: int) -> tuple[FakeInstance, str, int, int]:
        luck = self.luck
        tags = {"Purpose": luck.choice(("training", "training", "batch", "web"))}
        if luck.random() < 0.3:
            tags["costwatch:run"] = f"run-{number % 2}"
        if luck.random() < 0.2:
            tags["costwatch:heartbeat"] = luck.choice(("10m", "20m", "soon"))
        age = luck.choice((0, 1, 3)) * HOUR
        trainer = self.town.world.launch(tags=tags, age=age, asg="group" if luck.random() < 0.2 else None)
        behaves = luck.choice(("silent", "silent", "stalled", "stalled", "done", "ended", "quiet", "mute", "well"))
        return trainer, behaves, luck.randrange(4, 30), luck.choice((1, 1, 2, 4))

    def go_on(self, n: int) -> None:
        """Five minutes later; then the sweep."""
        self.town.clock.forward(seconds=_EVERY.total_seconds())
        for trainer, behaves, until, pace in self.trainers:
            over = n >= until
            if not trainer.alive or behaves == "mute" or n % pace or (over and behaves in ("silent", "done")):
                continue
            if over and behaves == "ended":
                self.town.world.end(trainer)
                continue
            said: dict[str, Any] = {"step": min(n, until) if behaves == "stalled" else n} if behaves != "quiet" else {}
            if behaves == "done" and n + pace >= until:
                said["kind"] = BeatKind.DONE
            elif behaves == "quiet" and n == until:
                said["next_within"] = HOUR
            self.town.beat(trainer, seq=n + 1, **said)
        sweep(self.town.watchdog())

    def rows(self) -> Mapping[str, Mapping[str, Any]]:
        return {sk: row for (pk, sk), row in self.town.table.items.items() if pk.startswith("open#")}


def test_what_falls_silent_or_stalls_is_found_however_young_it_is() -> None:
    seen: Counter[str] = Counter()
    for number in range(48):
        few, all_ = _Trainers(random.Random(number), 0), _Trainers(random.Random(number), 249)
        for n in range(_SWEEPS):
            few.go_on(n)
            all_.go_on(n)
            seen.update(agree(few, all_))
        seen.update(row["transition"] for (pk, _), row in few.town.table.items.items() if pk.startswith("run#"))
    assert seen["left out"] > 1000, seen
    assert min(seen[name] for name in ("stalled", "warned", "held", "verified gone")) > 5, seen
