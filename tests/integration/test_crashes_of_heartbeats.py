"""A crash at any call of the function that takes heartbeats: the queue delivers again, and it comes to the same end.

SQS deletes no message of a batch whose function died, so all of it comes again: as it was, or cut into other batches,
together with what was sent meanwhile. Whatever the cut, each beat counts once and no step goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from costwatch import names
from costwatch.core import times
from costwatch.handlers import deadman, hints
from costwatch.topology import FUNCTIONS
from tests.support.crash import CRASHED, run_dying_everywhere, run_forked
from tests.support.embedded import REGION, Account, Context, embedded_account
from tests.support.fakes import START

STANDALONE, IN_A_GROUP = "i-0a11ce0000000001", "i-0b0b000000000002"
Batch = list[dict[str, Any]]


@dataclass(frozen=True)
class Sender:
    """One process of a trainer, as its client sends."""

    account: Account
    service: str
    name: str
    session: str

    def send(self, seq: int, kind: str = names.DETAIL_HEARTBEAT, **said: Any) -> None:
        member = {"service": self.service, "id": self.name, "account": self.account.aws.account_id, "region": REGION}
        self.account.send_beat(kind, {"v": 1, "member": member, "session": self.session, "seq": seq, **said})
        self.account.clock.forward(seconds=7)


# --- batches -----------------------------------------------------------------------------------------------------


def _a_first_batch(account: Account) -> None:
    """Beats of an instance, of a member of a group and of two jobs; one that is refused, a try of the way, a canary."""
    alone = Sender(account, "ec2", STANDALONE, "a1")
    member = Sender(account, "ec2", IN_A_GROUP, "b1")
    training = Sender(account, "training", "Churn-BERT", "c1")
    processing = Sender(account, "processing", "features", "d1")
    training.send(1, names.DETAIL_STARTED, fingerprint={"git": "c0ffee", "seed": 7})
    alone.send(1, step=10, total=900, metrics={"loss": 0.5})
    Sender(account, "ec2", "not-an-id", "x").send(1)
    member.send(1, step=3)
    alone.send(2, step=20, total=900, checkpoint="s3://bucket/step-20")
    processing.send(1, step=1, total=2)
    account.send_beat(names.DETAIL_CHECK, {})
    account.send_beat(names.DETAIL_CANARY, {"v": 1, "sent_at": times.to_text(account.clock())})
    training.send(2, step=1, total=50)
    alone.send(3, step=30, total=900, metrics={"loss": 0.3})
    processing.send(2, names.DETAIL_DONE, step=2, total=2)
    member.send(2, step=4, next_within_seconds=7200)


def _a_second_batch(account: Account) -> None:
    """What lies in the table goes on: a process that was started anew, one that was started twice, a late canary."""
    for n, session in enumerate(("a2", "a3")):
        again = Sender(account, "ec2", STANDALONE, session)
        again.send(1, names.DETAIL_STARTED)
        again.send(2, step=20 + 5 * n, total=900)
    Sender(account, "ec2", IN_A_GROUP, "b1").send(3, step=5)
    account.send_beat(names.DETAIL_CANARY, {"v": 1, "sent_at": times.to_text(account.clock())})
    Sender(account, "training", "Churn-BERT", "c1").send(3, step=2, total=50, checkpoint="s3://bucket/churn-2")


def _meanwhile(account: Account) -> None:
    """What is sent between a crash and the next delivery."""
    Sender(account, "ec2", IN_A_GROUP, "b1").send(4, step=6)
    Sender(account, "training", "Churn-BERT", "c1").send(4, step=3, total=50)
    account.send_beat(names.DETAIL_CANARY, {"v": 1, "sent_at": times.to_text(account.clock())})


# --- ways in which SQS delivers what it has not deleted --------------------------------------------------------------


def _whole(messages: Batch) -> list[Batch]:
    return [messages]


def _in_any_order_within_a_batch(messages: Batch) -> list[Batch]:
    return [messages[::-1]]


def _one_by_one(messages: Batch) -> list[Batch]:
    return [[message] for message in messages]


def _in_two_with_an_overlap(messages: Batch) -> list[Batch]:
    """A message may come twice whatever the function answered."""
    middle = len(messages) // 2
    return [messages[: middle + 2], messages[middle:]]


DELIVERIES = (_whole, _in_any_order_within_a_batch, _one_by_one, _in_two_with_an_overlap)


@dataclass(frozen=True)
class Story:
    """`calls`: how many calls to the outside the crashed invocation is known to make."""

    name: str
    before: tuple[Callable[[Account], None], ...]
    crashed: Callable[[Account], None]
    calls: int


STORIES = (
    # A get and a put for each of four members and for the canary, and one refusal.
    Story("the first beats", (), _a_first_batch, 11),
    Story("beats that go on", (_a_first_batch,), _a_second_batch, 8),
)


# --- telling them ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with embedded_account(tmp_path_factory.mktemp("account")) as running:
        yield running


def end(account: Account) -> tuple[list[dict[str, Any]], set[str]]:
    """What lies in the table, without how often it was written, and what was refused."""
    rows = [{name: value for name, value in row.items() if name != "version"} for row in account.ledger_items()]
    return rows, set(account.refused())


def delivered(account: Account, batches: list[Batch]) -> None:
    """Each batch through a cold function; the poller deletes what it does not ask for again."""
    wired = account.cold_heartbeats_wiring()
    for batch in batches:
        answer = account.take_beats(wired, batch)
        asked_again = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        account.delete_beats({message["messageId"] for message in batch} - asked_again)


def newest(account: Account, name: str) -> dict[str, Any]:
    """What lies in the table of the member's newest process."""
    (found,) = [row for row in account.ledger_items() if row["sk"].endswith(f"#{name}")]
    session: dict[str, Any] = found["sessions"][-1]
    return session


def test_every_story_ends_with_each_beat_counted_once(account: Account) -> None:
    """What all the crashes below are compared with is itself right."""
    account.reset(START)
    for send in (_a_first_batch, _a_second_batch, _meanwhile):
        send(account)
        delivered(account, _whole(account.waiting_beats()))
    alone, member, churn, features = (
        newest(account, name) for name in (STANDALONE, IN_A_GROUP, "churn-bert", "features")
    )
    assert (alone["session"], alone["beats"], alone["step"], alone["first_step"]) == ("a3", 2, 25, 25)
    assert (member["beats"], member["seq"], member["step"], member.get("quiet_until")) == (4, 4, 6, None)
    assert (churn["beats"], churn["step"], churn["fingerprint"]) == (4, 3, {"git": "c0ffee", "seed": "7"})
    assert (features["beats"], features["step"], "done_at" in features) == (2, 2, True)
    (path,) = [row for row in account.ledger_items() if row["sk"] == "path"]
    assert path["unbroken_since"] < path["last_sent_at"]
    assert len(account.refused()) == 1
    assert account.waiting_beats() == []


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_crash_at_any_call_loses_no_beat_and_counts_none_twice(account: Account, story: Story) -> None:
    account.reset(START)
    for send in story.before:
        send(account)
        delivered(account, _whole(account.waiting_beats()))
    story.crashed(account)
    begin, batch = account.snapshot(), account.waiting_beats()
    cold = account.cold_heartbeats_wiring()

    def take() -> dict[str, Any]:
        return account.take_beats(cold, batch)

    whole = run_forked(take)
    assert (whole.exit_code, whole.error, whole.answer) == (0, "", {"batchItemFailures": []})
    assert len(whole.calls) == story.calls, whole.calls
    after = account.fingerprint(), account.refused()
    account.delete_beats({message["messageId"] for message in batch})
    _meanwhile(account)
    delivered(account, _whole(account.waiting_beats()))
    reference = end(account)

    begin()
    crashes = 0
    for ran in run_dying_everywhere(take):
        assert ran.calls == whole.calls[: len(ran.calls)]
        if not ran.moment:
            assert (ran.exit_code, ran.error) == (0, "")
            assert (account.fingerprint(), account.refused()) == after, "a look at a crash left traces"
            continue
        assert ran.exit_code == CRASHED
        crashes += 1
        here = account.snapshot()
        for again in DELIVERIES:
            _meanwhile(account)
            delivered(account, again(account.waiting_beats()))
            point = f"{ran.moment} call {len(ran.calls)}, {ran.calls[-1]}, then {again.__name__}"
            assert account.waiting_beats() == [], point
            assert end(account) == reference, point
            assert len(account.refused()) <= 1 + len(reference[1]), f"{point}: one crash, refused again at most once"
            here()
    assert crashes == story.calls + 1
    assert account.aws.errors == []


def test_what_could_not_be_written_comes_again_and_a_crash_on_the_way_changes_nothing(account: Account) -> None:
    """A row that cannot be read costs its own member alone; mended, it takes the beats that waited."""
    account.reset(START)
    _a_first_batch(account)
    delivered(account, _whole(account.waiting_beats()))
    (good,) = [row for row in raw_rows(account) if STANDALONE in row["sk"]["S"]]
    _a_second_batch(account)
    put(account, {**good, "sessions": {"S": "yesterday"}})
    begin, batch = account.snapshot(), account.waiting_beats()
    cold = account.cold_heartbeats_wiring()

    def take() -> dict[str, Any]:
        return account.take_beats(cold, batch)

    def mended() -> tuple[list[dict[str, Any]], set[str]]:
        put(account, good)
        delivered(account, _whole(account.waiting_beats()))
        return end(account)

    whole = run_forked(take)
    assert len(whole.calls) == 7, "nothing is put into the row that cannot be read"
    failed = {each["itemIdentifier"] for each in whole.answer["batchItemFailures"]}
    assert failed == {message["messageId"] for message in batch if STANDALONE in message["body"]}
    assert len(failed) == 4
    account.delete_beats({message["messageId"] for message in batch} - failed)
    reference = mended()
    begin()
    crashes = 0
    for ran in run_dying_everywhere(take):
        if ran.moment:
            crashes += 1
            here = account.snapshot()
            delivered(account, _whole(account.waiting_beats()))
            assert {message["messageId"] for message in account.waiting_beats()} == failed
            assert mended() == reference, (ran.moment, ran.calls)
            here()
    assert crashes == 8


def raw_rows(account: Account) -> list[dict[str, Any]]:
    table = account.cold_heartbeats_wiring().settings.ledger_table
    found: list[dict[str, Any]] = account.aws.client("dynamodb").scan(TableName=table)["Items"]
    return found


def put(account: Account, row: dict[str, Any]) -> None:
    """As somebody would by hand."""
    table = account.cold_heartbeats_wiring().settings.ledger_table
    account.aws.client("dynamodb").put_item(TableName=table, Item=row)


def test_every_function_of_the_stack_is_crashed_here_or_beside() -> None:
    # The door is not: it keeps nothing, and Slack tells whoever clicked that it died. The others are in test_crashes*,
    # but for `retrain`, which makes one write: test_retraining.
    crashed = {"deadman", "hints", "heartbeats", "prices", "gate", "clicks", "res", "retrain"}
    assert {each.name for each in FUNCTIONS} == {*crashed, "door"}


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["deadman", "hints"])
def test_a_malformed_event_is_kept_in_the_queue_of_the_refused_whenever_the_function_dies(
    account: Account, function: str
) -> None:
    """Lambda tries again what died: it is refused twice at most, and never lost."""
    account.reset(START)
    hints_function = function == "hints"
    wired = account.cold_wiring(hints=hints_function)
    handle = hints.handle if hints_function else deadman.handle
    context: Any = Context(f"arn:aws:lambda:{REGION}:{account.aws.account_id}:function:costwatch-{function}")

    def refuse() -> Any:
        return handle({"source": "nobody"}, context, wired)

    crashes = 0
    for ran in run_dying_everywhere(refuse):
        if not ran.moment:
            assert (ran.exit_code, ran.error, ran.calls) == (0, "", ("sqs:SendMessage",))
            continue
        crashes += 1
        here = account.snapshot()
        again = run_forked(refuse)
        assert (again.exit_code, again.error) == (0, "")
        assert (len(set(account.refused())), len(account.refused())) == (1, crashes)
        here()
    assert crashes == 2
