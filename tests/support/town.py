"""What the stories of a town share: how time passes in it, who does what there, and what can be seen afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from costwatch.core import grants
from costwatch.core.model import RunId, RunKind
from costwatch.core.policy import Service
from costwatch.core.record import Pause, RunRecord
from costwatch.errors import AwsError, PermanentAwsError
from costwatch.procedures import hints
from costwatch.procedures.report import SweepReport
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT, HOUR, REGION
from tests.support.fakes import FakeInstance, Fault, Town

DESTRUCTIVE = {
    "TerminateInstances", "StopTrainingJob", "CancelSpotInstanceRequests", "StopProcessingJob",
    "StopHyperParameterTuningJob", "StopAutoMLJob", "UpdateTrainingJob",
}  # fmt: skip
TAGS = {"Purpose": "training", "owner": "maria@example.com"}


def town(*selectors: dict[str, Any], **changes: Any) -> Town:
    return Town(policies.policy(selectors=list(selectors) or [policies.selector()], **changes))


def later(of: Town, **duration: float) -> SweepReport:
    of.clock.forward(**duration)
    return sweep(of.watchdog())


def warn_and_let_the_notice_pass(of: Town) -> SweepReport:
    """The first sweep warns; the next comes when every notice is over."""
    sweep(of.watchdog())
    return later(of, minutes=32)


def overdue_and_warned(of: Town, **launch: Any) -> FakeInstance:
    trainer = of.world.launch(age=40 * HOUR, **{"tags": TAGS, **launch})
    sweep(of.watchdog())
    of.clock.forward(minutes=31)
    return trainer


def destroyed(of: Town) -> list[tuple[str, str, tuple[str, ...]]]:
    return [call for call in of.world.calls if call[0] in DESTRUCTIVE]


def records(of: Town, region: str = REGION) -> dict[str, RunRecord]:
    return {run_id.name: record for run_id, record in of.ledger.open_records(ACCOUNT, region).items()}


def transitions(of: Town, name: str, kind: str = "instance", region: str = REGION) -> list[str]:
    pk = f"run#deployed#{ACCOUNT}/{region}/{kind}/{name}"
    return [item["transition"] for item in of.table.query(pk)]


def run_id(trainer: FakeInstance) -> RunId:
    return RunId(ACCOUNT, trainer.region, RunKind.INSTANCE, trainer.id)


def warnings_of(of: Town, trainer: FakeInstance) -> list[str]:
    """The cards that said that it stops, oldest first."""
    return [str(card.blocks) for _, _, card in of.world.posts if card.text.startswith(f"{trainer.id} stops in")]


def paused(of: Town, duration: timedelta) -> None:
    now = of.clock()
    before = of.ledger.pause()
    version = before.version + 1 if before else 1
    assert of.ledger.set_pause(Pause(version, now + duration, "ada", "maintenance", now), before)


def released(of: Town, name: str) -> None:
    step = grants.release(records(of)[name], by="ops", now=of.clock())
    assert step is not None
    assert of.ledger.save(step)


def hint(of: Town, trainer: FakeInstance) -> SweepReport:
    return hints.follow(of.watchdog(), ACCOUNT, trainer.region, Service.EC2, trainer.id)


def failing(
    operation: str, error: AwsError, *, region: str | None = None, holding: str = "", times: int | None = None
) -> Fault:
    """`error` answers each call of `operation`, or the first `times` of them: in one region, about the id `holding`."""
    hits = 0

    def fault(called: str, where: str, ids: tuple[str, ...]) -> AwsError | None:
        nonlocal hits
        if called != operation or region not in (None, where) or (holding and holding not in ids) or hits == times:
            return None
        hits += 1
        return error

    return fault


def refusing(operation: str) -> Fault:
    return failing(operation, PermanentAwsError("UnauthorizedOperation", code="UnauthorizedOperation"))


class Crash(BaseException):
    """The function dies, as no error does."""


def crashing(operation: str) -> Fault:
    def fault(called: str, where: str, ids: tuple[str, ...]) -> None:
        del where, ids
        if called == operation:
            raise Crash

    return fault
