"""Each alarm of the template over what the real handlers print, into ALARM and back; without a line it would not be.

What AWS itself counts is counted as it would: an invocation that raised is an error, what lies in a queue is its depth.
Only throttles are put in by hand: nothing here refuses to start a function.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from costwatch import names
from costwatch.door_wiring import DoorWiring
from costwatch.handlers import deadman, door, hints, metrics, res
from costwatch.settings import DoorSettings
from tests.infra.test_alarms import ALWAYS, MOST_METRICS, alarms
from tests.support import alarms as cloudwatch
from tests.support import policies
from tests.support.builders import NOW
from tests.support.embedded import Account, embedded_account
from tests.support.res_account import ResAccount
from tests.support.slack_posts import APP, SECRET, WORKSPACE, slack_event
from tests.support.synth import Synthesized

TAGS = {"Purpose": "training", "owner": "maria@example.com"}
FIVE = timedelta(minutes=5)
SECRET_PARAMETER = names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER
REFUSED = "RefusedEvents"


class Watch:
    """CloudWatch beside the deployed functions: it takes what they print and what AWS counts of them."""

    def __init__(
        self, account: Account, breaker: ResAccount, assembly: Synthesized, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.account, self.breaker, self.clock = account, breaker, account.clock
        self.metrics = cloudwatch.Metrics()
        self._alarms, self._capsys = alarms(assembly), capsys
        self._functions = {
            each["Properties"]["Description"].removeprefix("Costwatch: "): logical_id
            for logical_id, each in assembly.of_type("AWS::Lambda::Function").items()
        }
        (self._refused,) = [each for each in assembly.dead_letter_queues if each.startswith(REFUSED)]
        self.wired = account.wiring()
        self.hints = account.wiring(hints=True)
        self.door = DoorWiring(
            settings=DoorSettings(SECRET_PARAMETER, APP, WORKSPACE),
            env=account.aws.environment(),
            clock=account.clock,
        )

    def invoke(self, function: str, call: Callable[[], object]) -> None:
        failed = 0
        try:
            call()
        except Exception:  # noqa: BLE001 - whatever it is, Lambda counts it
            failed = 1
        self.metrics.take(self._capsys.readouterr().out)
        self.aws_counts(function, "Errors", failed)
        queue = {"QueueName": {"Fn::GetAtt": [self._refused, "QueueName"]}}
        depth = ("AWS/SQS", "ApproximateNumberOfMessagesVisible", cloudwatch.dimensions_text(queue))
        self.metrics.put(depth, self.clock(), len(self.account.refused()))

    def aws_counts(self, function: str, metric: str, value: float) -> None:
        dimensions = cloudwatch.dimensions_text({"FunctionName": {"Ref": self._functions[function]}})
        self.metrics.put(("AWS/Lambda", metric, dimensions), self.clock(), value)

    def sweeps(self, count: int = 1, *, deadman: bool = True, res: bool = True) -> None:
        """The schedule, for so many intervals."""
        for _ in range(count):
            self.clock.forward(minutes=5)
            if deadman:
                self.invoke("deadman", lambda: self.account.sweep(self.wired))
            if res:
                self.invoke("res", self.breaker.sweep)

    def in_alarm(self, name: str) -> bool:
        """When the period is over that it is now in."""
        properties = self._alarms[name]
        after = self.clock() + timedelta(seconds=cloudwatch._period(properties))
        state = cloudwatch.state_of(properties, self.metrics, after)
        assert state in ("OK", "ALARM")
        return state == "ALARM"

    def rings(self, name: str, *, within: int) -> bool:
        """Whether the alarm begins in one of so many sweeps from now on; they end with it."""
        assert not self.in_alarm(name)
        for _ in range(within):
            self.sweeps(1)
            if self.in_alarm(name):
                return True
        return False

    def all_quiet(self) -> None:
        assert [name for name in self._alarms if self.in_alarm(name)] == []


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    with embedded_account(tmp_path_factory.mktemp("policies")) as account:
        yield account


@pytest.fixture
def watch(
    running: Account,
    assemblies: dict[str, Synthesized],
    tmp_path: Any,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Watch]:
    running.reset(NOW)
    running.aws.faults.clear()
    running.aws.client("ssm").put_parameter(Name=SECRET_PARAMETER, Value=SECRET, Type="SecureString")
    running.document = policies.document(selectors=[policies.selector(), policies.selector("pausing")])
    breaker = ResAccount(running.aws, running.clock, tmp_path, table="costwatch-of-the-breaker")
    yield Watch(running, breaker, assemblies["models"], capsys)
    running.aws.faults.clear()


# --- the stories: each goes into ALARM and back -----------------------------------------------------------------------


def no_sweep(watch: Watch) -> None:
    watch.sweeps(4)
    watch.all_quiet()
    watch.sweeps(2, deadman=False)
    assert not watch.in_alarm("NoSweep"), "two intervals are one too few"
    watch.sweeps(1, deadman=False)
    assert watch.in_alarm("NoSweep")
    watch.sweeps(1)
    watch.all_quiet()


def no_res_sweep(watch: Watch) -> None:
    watch.sweeps(4)
    watch.sweeps(3, res=False)
    assert watch.in_alarm("NoResSweep")
    assert not watch.in_alarm("NoSweep")
    watch.sweeps(1)
    watch.all_quiet()


def nobody_prints_anything(watch: Watch) -> None:
    watch.sweeps(4)
    watch.clock.forward(hours=1)
    assert watch.in_alarm("NoSweep")
    assert watch.in_alarm("NoResSweep")
    watch.sweeps(3)
    watch.all_quiet()


def a_function_fails(watch: Watch) -> None:
    watch.sweeps(3)
    watch.account.aws.faults.fail("dynamodb", None, "ResourceNotFoundException", times=None)
    watch.sweeps(1)
    assert watch.in_alarm("Errors")
    watch.account.aws.faults.clear()
    watch.sweeps(1)
    watch.all_quiet()


def a_function_is_throttled(watch: Watch) -> None:
    watch.sweeps(3)
    watch.aws_counts("gate", "Throttles", 1)
    assert watch.in_alarm("Throttles")
    watch.sweeps(1)
    watch.all_quiet()


def something_is_refused(watch: Watch) -> None:
    watch.sweeps(3)
    watch.invoke("hints", lambda: hints.handle({"nonsense": True}, None, watch.hints))  # type: ignore[arg-type]
    assert watch.in_alarm("DeadLetters")
    watch.sweeps(3)
    assert watch.in_alarm("DeadLetters"), "it waits for a person"
    watch.account.aws.client("sqs").purge_queue(QueueUrl=watch.wired.settings.refused_queue_url)
    watch.sweeps(1)
    watch.all_quiet()


def a_run_is_held(watch: Watch) -> None:
    watch.sweeps(3)
    held = watch.account.fleet.instance(tags={**TAGS, "costwatch:never": ""}, launched_at=NOW - timedelta(hours=40))
    assert watch.rings("Attention", within=3)
    watch.sweeps(1)
    assert not watch.in_alarm("Attention"), "it is held as it was, and the next thing must ring"
    watch.account.slack.go_down()
    watch.account.fleet.instance(tags=TAGS, launched_at=watch.clock() - timedelta(hours=40))
    assert watch.rings("Attention", within=2), "a notice finds no taker while it is held"
    watch.account.slack.come_up()
    watch.sweeps(2)
    watch.account.aws.client("ec2").terminate_instances(InstanceIds=[held])
    watch.sweeps(2)
    watch.all_quiet()


def a_cap_holds_a_run(watch: Watch) -> None:
    watch.account.document = policies.document(
        selectors=[policies.selector(mode="enforce")], blast_cap={"runs": 1, "share": "1", "per_day": 20}
    )
    watch.wired = watch.account.wiring()
    watch.sweeps(1)
    for _ in range(2):
        watch.account.fleet.instance(tags=TAGS, launched_at=watch.clock() - timedelta(hours=40))
    assert watch.rings("Attention", within=14)
    watch.sweeps(1)
    assert not watch.in_alarm("Attention")


def a_run_has_no_price(watch: Watch) -> None:
    watch.sweeps(3)
    unpriced = watch.account.fleet.instance(tags=TAGS, launched_at=watch.clock(), type="m1.small")
    watch.sweeps(1)
    assert watch.in_alarm("Attention")
    watch.sweeps(1)
    assert not watch.in_alarm("Attention"), "it still has none, and the next thing must ring"
    watch.account.aws.client("ec2").terminate_instances(InstanceIds=[unpriced])
    watch.sweeps(2)
    watch.all_quiet()


def what_burns_too_much_cannot_be_seen(watch: Watch) -> None:
    """It burns on: an alarm that ended now would say that all is well."""
    watch.sweeps(3)
    big = [watch.account.fleet.instance(tags=TAGS, launched_at=watch.clock()) for _ in range(19)]
    watch.sweeps(2)
    assert watch.in_alarm("Burn")
    watch.account.aws.faults.fail("ec2", "DescribeInstances", "UnauthorizedOperation", times=None)
    watch.sweeps(3)
    assert watch.in_alarm("Burn")
    watch.account.aws.faults.clear()
    watch.account.aws.client("ec2").terminate_instances(InstanceIds=big)
    watch.sweeps(2)
    watch.all_quiet()


def a_notice_finds_no_taker(watch: Watch) -> None:
    watch.sweeps(3)
    watch.account.slack.go_down()
    watch.account.fleet.instance(tags=TAGS, launched_at=watch.clock() - timedelta(hours=40))
    watch.sweeps(1)
    assert watch.in_alarm("Attention")
    watch.account.slack.come_up()
    watch.sweeps(2)
    watch.all_quiet()


def a_region_cannot_be_read(watch: Watch) -> None:
    watch.sweeps(3)
    watch.account.aws.faults.fail("ec2", "DescribeInstances", "UnauthorizedOperation", times=None)
    watch.sweeps(1)
    assert watch.in_alarm("Attention")
    assert not watch.in_alarm("NoSweep")
    watch.account.aws.faults.clear()
    watch.sweeps(1)
    watch.all_quiet()


def a_stopped_run_comes_back(watch: Watch) -> None:
    tags = {**TAGS, "costwatch:run": "churn"}
    trainer = watch.account.fleet.instance(tags=tags, launched_at=NOW - timedelta(hours=40))
    watch.sweeps(1)
    watch.clock.forward(minutes=30)
    watch.sweeps(1)
    assert watch.account.instances() == {trainer: "terminated"}
    watch.all_quiet()
    watch.clock.forward(minutes=5)
    watch.account.fleet.instance(tags=tags, launched_at=watch.clock())
    watch.invoke("hints", lambda: watch.account.instance_changed(watch.hints, trainer))
    assert watch.in_alarm("Attention")
    watch.sweeps(2)
    assert not watch.in_alarm("Attention")


def the_sweep_finds_what_came_back(watch: Watch) -> None:
    """Where the event was lost."""
    tags = {**TAGS, "costwatch:run": "churn"}
    watch.account.fleet.instance(tags=tags, launched_at=NOW - timedelta(hours=40))
    watch.sweeps(1)
    watch.clock.forward(minutes=30)
    watch.sweeps(1)
    watch.all_quiet()
    watch.clock.forward(minutes=5)
    watch.account.fleet.instance(tags=tags, launched_at=watch.clock())
    watch.sweeps(1)
    assert watch.in_alarm("Attention")
    watch.sweeps(2)
    assert not watch.in_alarm("Attention")


def a_verdict_is_not_written(watch: Watch) -> None:
    serving = watch.breaker.candidate("churn-38", 0.912)
    watch.breaker.aws.models.decide(serving, "Approved")
    watch.sweeps(3)
    watch.breaker.aws.faults.fail("sagemaker", "UpdateModelPackage", "AccessDeniedException", times=None)
    watch.breaker.candidate("churn-41", 0.911)
    watch.sweeps(1)
    assert watch.in_alarm("Attention")
    watch.breaker.aws.faults.clear()
    watch.sweeps(2)
    watch.all_quiet()


def a_verdicts_notice_finds_no_taker(watch: Watch) -> None:
    serving = watch.breaker.candidate("churn-38", 0.912)
    watch.breaker.aws.models.decide(serving, "Approved")
    watch.sweeps(3)
    sns, topic = watch.breaker.aws.client("sns"), watch.breaker._topic_arn
    for each in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
    watch.breaker.candidate("churn-41", 0.911)
    assert watch.rings("Attention", within=3)
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ml@example.com")
    watch.breaker.aws.fleet.confirm_subscriptions(topic)
    watch.sweeps(2)
    watch.all_quiet()


def an_event_of_the_registry_ends_badly(watch: Watch) -> None:
    """Told at once, before the breaker's own sweep."""
    serving = watch.breaker.candidate("churn-38", 0.912)
    watch.breaker.aws.models.decide(serving, "Approved")
    watch.breaker.events_arrive()
    watch.sweeps(3)
    watch.clock.forward(minutes=5)
    watch.breaker.aws.faults.fail("sagemaker", "UpdateModelPackage", "AccessDeniedException", times=None)
    watch.breaker.candidate("churn-41", 0.911)
    watch.invoke("res", watch.breaker.events_arrive)
    assert watch.in_alarm("Attention")
    watch.breaker.aws.faults.clear()
    watch.sweeps(2)
    assert not watch.in_alarm("Attention")


def a_click_is_not_taken(watch: Watch) -> None:
    watch.sweeps(3)
    watch.account.aws.faults.fail("events", "PutEvents", "InternalFailure", times=None)
    watch.invoke("door", lambda: door.handle(slack_event(watch.clock()), None, watch.door))
    assert watch.in_alarm("Attention")
    watch.account.aws.faults.clear()
    watch.sweeps(1)
    watch.invoke("door", lambda: door.handle(slack_event(watch.clock(), secret="guessed"), None, watch.door))
    watch.all_quiet()


def a_stop_does_not_end(watch: Watch) -> None:
    watch.account.fleet.instance(tags=TAGS, launched_at=NOW - timedelta(hours=40))
    watch.sweeps(1)
    watch.clock.forward(minutes=30)
    watch.sweeps(1)  # the stop is asked for, and nothing is seen of it any more
    watch.account.aws.faults.fail("ec2", "DescribeInstances", "UnauthorizedOperation", times=None)
    watch.sweeps(24)
    assert not watch.in_alarm("OldestClaim"), "exactly two hours are not more than two"
    watch.sweeps(1)
    assert watch.in_alarm("OldestClaim")
    watch.account.aws.faults.clear()
    watch.sweeps(3)
    watch.all_quiet()


def a_stop_is_refused_each_time(watch: Watch) -> None:
    watch.account.fleet.instance(tags=TAGS, launched_at=NOW - timedelta(hours=40))
    watch.sweeps(1)
    watch.clock.forward(minutes=30)
    watch.account.aws.faults.fail("ec2", "TerminateInstances", "UnauthorizedOperation", times=None)
    watch.sweeps(25)
    assert not watch.in_alarm("OldestClaim"), "exactly two hours after the first attempt are not more than two"
    watch.sweeps(1)
    assert watch.in_alarm("OldestClaim"), "each sweep claims it anew, and it is no younger for that"
    watch.account.aws.faults.clear()
    watch.sweeps(4)
    watch.all_quiet()


def too_much_burns(watch: Watch) -> None:
    begun = [watch.account.fleet.instance(tags=TAGS, launched_at=NOW) for _ in range(18)]
    watch.sweeps(3)
    watch.all_quiet()  # 18 x $21.96 are $395
    begun.append(watch.account.fleet.instance(tags=TAGS, launched_at=NOW))
    watch.sweeps(1)
    assert watch.in_alarm("Burn")
    watch.account.aws.client("ec2").terminate_instances(InstanceIds=begun[:1])
    watch.sweeps(1)
    watch.all_quiet()


def prices_grow_old(watch: Watch) -> None:
    watch.invoke("prices", watch.account.refresh_prices)
    watch.clock.now = NOW + timedelta(hours=72) - FIVE
    watch.sweeps(1)
    assert not watch.in_alarm("StalePrices")
    watch.sweeps(3)
    assert watch.in_alarm("StalePrices")
    watch.invoke("prices", watch.account.refresh_prices)
    watch.clock.forward(hours=1)
    watch.wired = watch.account.wiring()
    watch.sweeps(4)
    watch.all_quiet()


STORIES: dict[Callable[[Watch], None], str] = {
    no_sweep: "NoSweep",
    no_res_sweep: "NoResSweep",
    nobody_prints_anything: "NoSweep",
    a_function_fails: "Errors",
    a_function_is_throttled: "Throttles",
    something_is_refused: "DeadLetters",
    a_run_is_held: "Attention",
    a_cap_holds_a_run: "Attention",
    a_run_has_no_price: "Attention",
    a_notice_finds_no_taker: "Attention",
    a_region_cannot_be_read: "Attention",
    a_stopped_run_comes_back: "Attention",
    the_sweep_finds_what_came_back: "Attention",
    a_verdict_is_not_written: "Attention",
    a_verdicts_notice_finds_no_taker: "Attention",
    an_event_of_the_registry_ends_badly: "Attention",
    a_click_is_not_taken: "Attention",
    a_stop_does_not_end: "OldestClaim",
    a_stop_is_refused_each_time: "OldestClaim",
    too_much_burns: "Burn",
    what_burns_too_much_cannot_be_seen: "Burn",
    prices_grow_old: "StalePrices",
}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_an_alarm_goes_into_alarm_and_back_over_what_was_really_printed(
    watch: Watch, story: Callable[[Watch], None]
) -> None:
    story(watch)
    own = {each for each in watch.metrics.own if each[0] == names.METRIC_NAMESPACE}
    assert 0 < len(own) <= MOST_METRICS, "each series is a metric on the bill"


def test_there_is_a_story_of_every_alarm() -> None:
    assert set(STORIES.values()) == ALWAYS | {"NoResSweep"}


# --- a line that is taken out ----------------------------------------------------------------------------------------

_LINES = [
    (metrics, "names.METRIC_BURN: float(report.burn_usd),", no_sweep),
    (metrics, "names.METRIC_BURN: float(report.burn_usd),", too_much_burns),
    (metrics, "values[names.METRIC_PRICE_BOOK_AGE] = hours(price_book_age)", prices_grow_old),
    (metrics, "names.METRIC_OLDEST_CLAIM: report.oldest_claim / timedelta(minutes=1),", a_stop_does_not_end),
    (metrics, "values = {names.METRIC_OLDEST_CLAIM: report.oldest_claim / timedelta(minutes=1)}", no_res_sweep),
    (metrics, '"held_anew": len(report.held_anew),', a_run_is_held),
    (metrics, '"held_anew": len(report.held_anew),', a_cap_holds_a_run),
    (metrics, '"unpriced_anew": len(report.unpriced_anew),', a_run_has_no_price),
    (metrics, '"failures": len(report.failures),', a_region_cannot_be_read),
    (metrics, '"undelivered": report.undelivered,', a_notice_finds_no_taker),
    (metrics, '"not_written": report.not_written,', a_verdict_is_not_written),
    (metrics, '_print(RES.name, "res event", report.at, {}, attention)', an_event_of_the_registry_ends_badly),
    (
        metrics,
        '_print(HINTS.name, "came back", report.at, {}, {"came_back": report.came_back})',
        a_stopped_run_comes_back,
    ),
    (metrics, '"came_back": report.came_back,', the_sweep_finds_what_came_back),
    (door, "counted = {names.METRIC_ATTENTION: 1.0}", a_click_is_not_taken),
]  # fmt: skip


@pytest.mark.parametrize(
    ("module", "line", "story"), _LINES, ids=[f"{story.__name__}-{line[:28]}" for _, line, story in _LINES]
)
def test_without_the_line_that_prints_it_the_alarm_fails(
    watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
    module: types.ModuleType,
    line: str,
    story: Callable[[Watch], None],
) -> None:
    source = inspect.getsource(module)
    assert line in source
    mutant = types.ModuleType(module.__name__)
    exec(compile(source.replace(line, _nothing(line)), f"{module.__name__} without a line", "exec"), mutant.__dict__)
    if module is door:
        monkeypatch.setattr(door, "handle", mutant.handle)
    for handler in (deadman, hints, res):
        for name in ("count_sweep", "count_came_back", "count_judged"):
            if module is metrics and hasattr(handler, name):
                monkeypatch.setattr(handler, name, getattr(mutant, name))
    with pytest.raises(AssertionError):
        story(watch)


def _nothing(line: str) -> str:
    """What is left where it stood: an empty value where a name is used below, else nothing at all."""
    name, _, _ = line.partition(" = ")
    if name.isidentifier():
        return f"{name} = {{}}"
    return "" if line.endswith(",") else "pass"
