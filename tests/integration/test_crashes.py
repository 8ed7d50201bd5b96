"""A crash at any point: the function dies by os._exit before its first and after every call it makes to the outside.

Each story is first told without a crash; that gives the calls of each of its steps, in order, and the end it comes to.
Then each step is run once more, and at every call of it a copy of the function dies, and the schedule goes on as if
nothing had happened. It must come to the same end. After that the world is as it was at the call, up to the next one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from costwatch.core.record import Transition
from demo.embedded.autoscaling_like_aws import Group, launch
from tests.support import policies
from tests.support.crash import CRASHED, Ran, run_dying_everywhere, run_forked
from tests.support.embedded import OWNER, Account, embedded_account
from tests.support.fakes import START

MIN_NOTICE = timedelta(minutes=30)
# Sweeps after a crash: within the leases of what died, after them, when every notice is over, and three more.
_THEN = (5, 5, 31, 5, 5, 31, 5, 5)
_TRAINER = {"Purpose": "training", "owner": OWNER}

# --- stories -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One invocation, `minutes` after the one before.

    `calls`: how many calls to the outside it is known to make; None for a step that only leads up to the others and
    is crashed in another story.
    """

    name: str
    minutes: float
    calls: int | None = None
    hint_about: Callable[[Account], str] | None = None
    """Not a sweep, but the event that this instance was terminated."""
    asked: bool = False
    """Not a sweep, but a person's stop of the one instance or group; after a crash the person asks again."""
    restored: bool = False
    """Not a sweep, but a person's restore of the one group; after a crash the person asks again."""


@dataclass(frozen=True)
class Story:
    name: str
    policy: dict[str, Any]
    seed: Callable[[Account], object]
    steps: tuple[Step, ...]
    stays: frozenset[str] = frozenset()
    """Statuses in which a record may still stand when the story is over."""
    perhaps: frozenset[str] = frozenset()
    """Transitions and kinds of cards that tell of a failure: only who lived to see it tells it."""


def _overdue_run_and_job(account: Account) -> None:
    """Two persistent-spot members of one run in two zones, and a training job."""
    for zone in "ab":
        account.fleet.instance(
            az=zone,
            tags={**_TRAINER, "costwatch:run": "llm"},
            launched_at=START - timedelta(hours=13),
            spot="persistent",
            request_tags={"Purpose": "training"},
        )
    account.fleet.training_job("churn", started_at=START - timedelta(hours=12.5), tags=_TRAINER)


def _overdue_tuning_job_and_one_with_a_warm_pool(account: Account) -> None:
    """A tuning job with two training jobs, and a training job that keeps its instances for an hour."""
    arn = account.fleet.tuning_job("search", created_at=START - timedelta(hours=13), tags=_TRAINER)
    for n in (1, 2):
        account.fleet.child_of(arn, f"search-{n}", started_at=START - timedelta(hours=n))
    account.fleet.training_job(
        "churn", started_at=START - timedelta(hours=12.5), tags=_TRAINER, keep_alive_seconds=3600
    )


def _two_overdue_instances(account: Account) -> None:
    for hours in (14, 13):
        account.fleet.instance(tags=_TRAINER, launched_at=START - timedelta(hours=hours))


def _one_overdue_instance_and_a_mailbox(account: Account) -> None:
    account.fleet.instance(tags=_TRAINER, launched_at=START - timedelta(hours=13))
    account.subscribe("ops@example.com")


def _accelerators_nobody_watches(account: Account) -> None:
    for _ in range(2):
        account.fleet.instance(tags={"Name": "mine"}, launched_at=START - timedelta(hours=3))


def _a_spot_group_at_its_minimum(account: Account) -> None:
    account.fleet.group("nodes", size=3, tags=_TRAINER, launched_at=START - timedelta(hours=13))


@dataclass
class _Joined(Group):
    """In the moment in which it is lowered for the first time somebody launches another, protected instance.

    And suspends Terminate, as a deploy may: else what a crash leaves lowered would be ended by the group itself.
    """

    joined: bool = False

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if (name, value) == ("desired", 0) and not self.joined:
            self.joined = True
            self.members[launch(self, self.zones[0])].protected = True
            self.suspended.add("Terminate")


def _a_group_that_another_joins_while_it_is_lowered(account: Account) -> None:
    group = account.fleet.group("nodes", size=3, tags=_TRAINER, launched_at=START - timedelta(hours=13))
    account.groups["nodes"] = _Joined(**{**vars(group), "max_size": 4})


def _a_workbench_past_its_time(account: Account) -> None:
    account.fleet.instance(tags=_TRAINER, launched_at=START - timedelta(hours=13))


def _a_workbench(account: Account) -> None:
    account.fleet.instance(tags=_TRAINER, launched_at=START - timedelta(hours=3))


_EC2_AND_JOBS = [policies.selector(), policies.selector("jobs", service="training")]
_JOBS = [policies.selector("jobs", service="training"), policies.selector("tuning", service="tuning")]
_NO_SLACK = {"platform_channel": "", "team_channels": {}, "warn_owner_by": "dm"}

STORIES = (
    Story(
        "a run and a job are warned, stopped and verified",
        policies.document(selectors=_EC2_AND_JOBS),
        _overdue_run_and_job,
        (Step("warn", 0, 57), Step("stop", 35, 89), Step("verify once", 5, 34), Step("verify twice", 5, 49)),
    ),
    Story(
        "a tuning job is stopped with its children, and a warm pool is ended",
        policies.document(selectors=_JOBS),
        _overdue_tuning_job_and_one_with_a_warm_pool,
        (
            Step("warn", 0, 63),
            Step("stop", 35, 99),
            Step("end the pool", 5, 37),
            Step("verify once", 5, 50),
            Step("verify twice", 5, 37),
        ),
    ),
    Story(
        "an event tells of the end before the sweep sees it",
        policies.document(selectors=_EC2_AND_JOBS),
        _overdue_run_and_job,
        (
            Step("warn", 0),
            Step("stop", 35),
            Step("first event", 1, 7, hint_about=lambda account: min(account.instances())),
            Step("second event", 3, 16, hint_about=lambda account: max(account.instances())),
            Step("sweep", 1, 30),
            Step("verify", 5),
        ),
    ),
    Story(
        "more is due than the cap of a sweep allows",
        policies.document(blast_cap={"runs": 1, "share": "1", "per_day": 20}),
        _two_overdue_instances,
        (Step("warn", 0), Step("stop and hold", 35, 63), Step("verify once", 5), Step("verify twice", 5)),
        stays=frozenset({"held"}),
    ),
    Story(
        "a group is lowered, stopped and verified",
        policies.document(selectors=[policies.selector(at_min_size="lower")]),
        _a_spot_group_at_its_minimum,
        (
            Step("warn", 0, 43),
            Step("stop", 35, 70),
            Step("verify once", 5, 30),
            Step("verify twice", 5, 40),
        ),
    ),
    Story(
        "a group that may not be ended after it was lowered gets its numbers back",
        policies.document(selectors=[policies.selector(at_min_size="lower")]),
        _a_group_that_another_joins_while_it_is_lowered,
        (Step("warn", 0), Step("stop", 35, 75), Step("hold", 5, 46)),
        stays=frozenset({"held"}),
        perhaps=frozenset({"failed"}),
    ),
    Story(
        "a group is put back",
        policies.document(selectors=[policies.selector(at_min_size="lower")]),
        _a_spot_group_at_its_minimum,
        (
            Step("warn", 0),
            Step("stop", 35),
            Step("verify once", 5),
            Step("verify twice", 5),
            Step("restore", 5, 7, restored=True),
            Step("see them again", 5),
        ),
        stays=frozenset({"running"}),
    ),
    Story(
        "a group is stopped by a person",
        policies.document(selectors=[policies.selector(at_min_size="lower")]),
        lambda account: account.fleet.group("nodes", size=3, tags=_TRAINER, launched_at=START - timedelta(hours=3)),
        (Step("first seen", 0), Step("asked", 1, 54, asked=True), Step("verify once", 5), Step("verify twice", 5)),
    ),
    Story(
        "no Slack: the notice goes by e-mail",
        policies.document(slack=_NO_SLACK),
        _one_overdue_instance_and_a_mailbox,
        (Step("warn", 0, 36), Step("stop", 35, 52), Step("verify once", 5), Step("verify twice", 5)),
    ),
    Story(
        "a person has a workbench stopped, whose disk stays",
        policies.document(selectors=[policies.selector(action="stop")]),
        _a_workbench,
        (Step("first seen", 0), Step("asked", 1, 37, asked=True), Step("verify once", 5), Step("verify twice", 5)),
    ),
    Story(
        "a selector that only warns",
        policies.document(selectors=[policies.selector(mode="warn")]),
        _a_workbench_past_its_time,
        (Step("warn", 0, 37), Step("would stop", 35, 39)),
        stays=frozenset({"would stop"}),
    ),
    Story(
        "observe, with its daily summary",
        policies.document(selectors=[policies.selector(mode="observe")]),
        _a_workbench_past_its_time,
        (Step("would be warned", 0, 29), Step("would stop and the summary of the day", 24 * 60, 41)),
        stays=frozenset({"would stop"}),
    ),
    Story(
        "accelerators that nobody watches are told of",
        policies.document(mode="enforce"),
        _accelerators_nobody_watches,
        (Step("tell", 0, 35),),
    ),
)


# --- the end of a story ----------------------------------------------------------------------------------

# A takeover is another attempt; an unwatched accelerator is noted before it counts as told; a person who saw no answer
# asks twice. All else is recorded once.
_RECORDED_AGAIN = frozenset(
    each.value for each in (Transition.STOPPING, Transition.UNWATCHED, Transition.STOP_ASKED, Transition.RESTORE_ASKED)
)
_KINDS = {
    "warning": r"(?P<run>.+) stops in .+",
    "stopped": r"(?P<run>.+) was stopped at .+",
    "failed": r"Could not stop (?P<run>.+) \(.+",
    "verified": r"(?P<run>.+): verified (gone|stopped).+",
    "held": r"Held: (?P<run>.+) is past its time.+",
    "would stop": r"(?P<run>.+) would have been stopped now.+",
    "would warn": r"(?P<run>.+) would stop in .+",
    "summary": r"(?P<run>Costwatch observes).*",
    "unwatched": r"(?P<run>\d+ runs?) on accelerators that no selector picks.+",
}


def heard(account: Account) -> list[tuple[str, datetime]]:
    """What people were told, and when."""
    posted = [(message.text, message.at) for message in account.slack.messages]
    return posted + [(mail.subject or "", mail.at) for mail in account.aws.sns_messages]


def _kind(text: str) -> tuple[str, str]:
    for kind, pattern in _KINDS.items():
        if found := re.fullmatch(pattern, text):
            return kind, found["run"]
    raise AssertionError(f"nobody expected to say {text!r}")


@dataclass(frozen=True)
class End:
    """What people, AWS and the ledger are left with, without the times."""

    instances: dict[str, str]
    spot_requests: dict[str, str]
    jobs: dict[str, str]
    groups: dict[str, tuple[int, int, int]]
    """Minimum, desired and maximum."""
    open_records: dict[str, tuple[str, str]]
    transitions: dict[str, list[str]]
    to_be_said: int
    events: dict[str, list[str]]
    """Members by stop key: who counts keys counts stops."""
    said: Counter[tuple[str, str]] = field(compare=False)
    published: Counter[str] = field(compare=False)


def end(account: Account) -> End:
    """Read everything again from outside."""
    items = account.ledger_items()
    transitions: dict[str, list[str]] = {}
    for item in items:
        if item["pk"].startswith("run#") and item["transition"] != Transition.DELIVERED.value:
            told = transitions.setdefault(item["run_id"], [])
            if item["transition"] not in _RECORDED_AGAIN or item["transition"] not in told:
                told.append(item["transition"])
    records = (item for item in items if item["pk"].startswith("open#"))
    events = account.events()
    return End(
        instances=_instances(account),
        spot_requests=account.spot_requests(),
        jobs=account.jobs(),
        groups={name: (g.min_size, g.desired, g.max_size) for name, g in account.groups.items()},
        open_records={r["sk"]: (r["status"], (r.get("hold") or {}).get("code", "")) for r in records},
        transitions=transitions,
        to_be_said=sum(1 for item in items if item["pk"].startswith("outbox#")),
        events={e["stop_key"]: sorted(e["members"]) for e in events},
        said=Counter(_kind(text) for text, _ in heard(account)),
        published=Counter(e["stop_key"] for e in events),
    )


def _instances(account: Account) -> dict[str, str]:
    """State by id. What a group launches gets another id each time, so it goes by the group's name and a number."""
    found = account.instances()
    launched = [i for group in account.groups.values() for i in sorted(group.members)]
    named = {i: f"nodes {number}" for number, i in enumerate(launched, start=1)}
    return {named.get(i, i): state for i, state in found.items()}


# --- telling a story ---------------------------------------------------------------------------------------


class Teller:
    """Tells one story, without a crash and with one at any call of any step."""

    def __init__(self, account: Account, story: Story) -> None:
        self.account = account
        self.story = story
        self.calls: dict[str, tuple[str, ...]] = {}
        self._begin: dict[str, Callable[[], None]] = {}
        self._after: dict[str, str] = {}
        self._come_to: dict[str, End] = {}
        account.document = story.policy
        functions = {step.hint_about is not None for step in story.steps}
        self._cold = {hints: account.cold_wiring(hints=hints) for hints in functions}
        self._warm = account.wiring()

        account.reset(START)
        story.seed(account)
        for step in story.steps:
            account.clock.forward(minutes=step.minutes)
            self._begin[step.name] = account.snapshot()
            ran = self._run(step)
            assert (ran.exit_code, ran.error) == (0, "")
            self.calls[step.name] = ran.calls
            self._after[step.name] = account.fingerprint()
        self.reference = end(account)

    @property
    def crashed(self) -> list[Step]:
        """The steps in which this story crashes."""
        return [step for step in self.story.steps if step.calls is not None]

    def _run(self, step: Step) -> Ran:
        return run_forked(self._function(step))

    def _function(self, step: Step) -> Callable[[], Any]:
        if step.restored:
            [group] = self.account.groups
            return lambda: self.account.restore_asked(self._cold[False], group, by="ada")
        if step.asked:
            asked = next((f"asg/{name}" for name in self.account.groups), f"instance/{min(self.account.instances())}")
            return lambda: self.account.stop_asked(self._cold[False], asked, by="ada")
        if step.hint_about is not None:
            instance_id = step.hint_about(self.account)
            return lambda: self.account.instance_changed(self._cold[True], instance_id)
        return lambda: self.account.sweep(self._cold[False])

    def crash_everywhere(self, step: Step) -> Iterator[tuple[str, End]]:
        """Crash before the first and after every call of `step`; each with its name and the end it came to."""
        calls = self.calls[step.name]
        self._begin[step.name]()
        for ran in run_dying_everywhere(self._function(step)):
            assert ran.calls == calls[: len(ran.calls)]
            if ran.moment:
                assert ran.exit_code == CRASHED
                yield f"{step.name}: {ran.moment} call {len(ran.calls)}, {ran.calls[-1]}", self._go_on(step)
            else:
                assert (ran.exit_code, ran.error, ran.calls) == (0, "", calls)
                assert self.account.fingerprint() == self._after[step.name], "a look at a crash left traces"

    def _go_on(self, step: Step) -> End:
        """Sweep on as scheduled, and back. Of two crashes that left the very same world the second needs no sequel."""
        world = self.account.fingerprint()
        if world not in self._come_to:
            back = self.account.snapshot()
            if step.asked or step.restored:
                again = self._run(step)
                assert again.exit_code == 0 or "RefusedError" in again.error, again.error
            self._come_to[world] = self._sequel()
            back()
        return self._come_to[world]

    def _sequel(self) -> End:
        for minutes in _THEN:
            self.account.clock.forward(minutes=minutes)
            answer = self.account.sweep(self._warm)
            assert answer["failures"] == [] or "failed" in self.story.perhaps
            if self._over():
                break
        if not any(step.asked for step in self.story.steps):  # a person's stop needs no notice
            self._nobody_was_stopped_early()
        return end(self.account)

    def _over(self) -> bool:
        rows = self.account.ledger_items()
        said = self.account.slack.messages or self.account.aws.sns_messages
        open_statuses = {row["status"] for row in rows if row["pk"].startswith("open#")}
        return bool(said) and open_statuses <= self.story.stays and not any(r["pk"].startswith("outbox#") for r in rows)

    def _nobody_was_stopped_early(self) -> None:
        warned: dict[str, datetime] = {}
        for text, at in heard(self.account):
            kind, run = _kind(text)
            if kind == "warning":
                warned.setdefault(run, at)
        for name, at in self.account.ended_at().items():
            run = name if name in warned else next((each for each in ("llm", "nodes") if each in warned), name)
            assert run in warned, f"{name} was stopped unwarned"
            assert at > warned[run] + MIN_NOTICE, f"{name} was stopped at {at}, warned at {warned[run]}"


# --- the tests -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with embedded_account(tmp_path_factory.mktemp("account")) as running:
        yield running


@pytest.fixture(scope="module", params=STORIES, ids=lambda story: story.name)
def teller(request: pytest.FixtureRequest, account: Account) -> Teller:
    return Teller(account, request.param)


def test_without_a_crash_each_step_makes_the_calls_we_have_thought_about(teller: Teller) -> None:
    assert {step.name: step.calls for step in teller.crashed} == {
        step.name: len(teller.calls[step.name]) for step in teller.crashed
    }


def test_without_a_crash_everything_is_said_and_published_once(teller: Teller) -> None:
    assert set(teller.reference.said.values()) == {1}
    assert set(teller.reference.published.values()) <= {1}
    assert teller.reference.to_be_said == 0


def test_a_crash_at_any_call_changes_nothing_about_the_end(teller: Teller) -> None:
    problems: list[str] = []
    points, perhaps = 0, teller.story.perhaps
    for step in teller.crashed:
        for point, came_to in teller.crash_everywhere(step):
            points += 1
            problems.extend(f"{point}: {problem}" for problem in _differences(teller.reference, came_to, perhaps))
    assert points == sum(len(teller.calls[step.name]) + 1 for step in teller.crashed)
    assert teller.account.aws.errors == []
    assert not problems, "\n".join(problems)


def _without(end: End, perhaps: frozenset[str]) -> End:
    told = {run: [name for name in names if name not in perhaps] for run, names in end.transitions.items()}
    said = Counter({(kind, run): n for (kind, run), n in end.said.items() if kind not in perhaps})
    return replace(end, transitions=told, said=said)


def _differences(reference: End, came_to: End, perhaps: frozenset[str]) -> Iterator[str]:
    reference, came_to = _without(reference, perhaps), _without(came_to, perhaps)
    for part in fields(End):
        theirs, ours = getattr(came_to, part.name), getattr(reference, part.name)
        if part.compare and theirs != ours:
            yield f"{part.name} came to\n    {theirs}, not\n    {ours}"
    for name, once, counts in (
        ("said", reference.said, came_to.said),
        ("published", reference.published, came_to.published),
    ):
        if set(once) != set(counts):
            yield f"{name} {sorted(counts)} and not {sorted(once)}"
        elif counts.total() > once.total() + 1:
            yield f"one crash repeated more than one thing that is {name}: {counts}"
