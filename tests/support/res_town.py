"""A town with models whose breaker is deployed: its handler takes events as AWS sends them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, cast

from costwatch import names, wiring
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.core.judgements import Judgement
from costwatch.core.packages import ApprovalStatus, ModelPackage
from costwatch.core.policy import Policy
from costwatch.handlers import res as handler
from costwatch.procedures.breaker import Breaker
from costwatch.procedures.sweep import sweep
from tests.support import policies
from tests.support.builders import ACCOUNT
from tests.support.fakes import FakeJob
from tests.support.registry_town import RegistryTown, package_event, res, training_event

TICK: Final = {"source": names.SOURCE_SCHEDULE, "detail-type": names.DETAIL_SCHEDULED, "detail": {}}


@dataclass
class _Refused:
    events: list[tuple[object, str]] = field(default_factory=list)

    def refuse(self, event: object, *, reason: str, function: str) -> None:
        assert function == "res"
        self.events.append((event, reason))


@dataclass
class _Wired:
    """What the handler asks its wiring for."""

    town: ResTown
    refused: _Refused = field(default_factory=_Refused)
    logger: logging.Logger = field(default_factory=lambda: logging.getLogger("res"))

    @property
    def policy(self) -> Policy:
        return self.town.policy

    def clock(self) -> datetime:
        return self.town.clock()

    def breaker(self, context: object) -> Breaker:
        del context
        return self.town.breaker()


class ResTown(RegistryTown):
    """`deploy` replaces the policy over the same ledger and registry."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.wired = _Wired(self)

    def deploy(self, mode: str = "enforce", *, model: Mapping[str, Any] | None = None, **changes: Any) -> None:
        self.policy = _policy(mode, model, **changes)

    def breaker(self) -> Breaker:
        w = self.watchdog()
        return Breaker(w, Judgements(w.ledger), self.registry, self.evaluations)

    def invoke(self, event: object) -> dict[str, Any]:
        return handler.handle(event, cast("Any", None), cast("wiring.Wiring", self.wired))

    # --- what AWS tells -----------------------------------------------------------------------------------------

    def told_of(self, package: ModelPackage, **changes: Any) -> dict[str, Any]:
        """The event of a package as it is now."""
        event = package_event(self.now(package))
        moment = self.clock().isoformat()
        return self.invoke({**event, "time": moment, "detail": {**event["detail"], **changes}})

    def told_of_training(self, job: FakeJob, **changes: Any) -> dict[str, Any]:
        event = training_event(job)
        return self.invoke({**event, "detail": {**event["detail"], **changes}})

    def sweep_runs(self) -> None:
        """The dead-man's switch looks at every run."""
        sweep(self.watchdog())

    def sweep(self) -> dict[str, Any]:
        return self.invoke(TICK)

    def later(self, **duration: float) -> dict[str, Any]:
        self.clock.forward(**duration)
        return self.sweep()

    def decides(
        self, package: ModelPackage, target: ApprovalStatus, by: str = "U0MARIA00", *, by_click: bool = True
    ) -> dict[str, Any]:
        """By a button, which asks the function, or by a command."""
        detail = {
            "judgement": f"{package.region}/{package.group}/{package.version}",
            "target": target.value,
            "by": by,
            "name": "Maria Lopez",
            "reason": "the board wants it",
            "by_click": by_click,
        }
        event = {"source": names.SOURCE_CLI, "detail-type": names.DETAIL_DECISION_REQUESTED, "detail": detail}
        return self.invoke(event)

    # --- what can be seen afterwards ----------------------------------------------------------------------------

    def now(self, package: ModelPackage) -> ModelPackage:
        return self.models.packages[package.arn]

    def row(self, package: ModelPackage) -> Judgement:
        found = self.found(package)
        assert found is not None
        return found

    def found(self, package: ModelPackage) -> Judgement | None:
        return Judgements(self.ledger).get(ACCOUNT, f"{package.region}/{package.group}/{package.version}")

    def lines(self, package: ModelPackage) -> list[str]:
        """What its timeline says became of it."""
        row_id = f"{package.region}/{package.group}/{package.version}"
        return [str(item["transition"]) for item in Judgements(self.ledger).timeline(ACCOUNT, row_id)]

    @property
    def writes(self) -> list[tuple[str, ...]]:
        """What was written into the registry: ARN and status."""
        return [ids for operation, _, ids in self.world.calls if operation == "UpdateModelPackage"]

    def told_others(self, package: ModelPackage) -> list[dict[str, Any]]:
        """What the bus was told of it."""
        return [each for each in self.world.verdicts if each["package_arn"] == package.arn]

    @property
    def cards(self) -> list[str]:
        return [card.text for _, _, card in self.world.posts]


def _policy(mode: str, model: Mapping[str, Any] | None = None, **changes: Any) -> Policy:
    return policies.policy(res=res(mode, model, **changes))


def res_town(mode: str = "enforce", *, model: Mapping[str, Any] | None = None, **changes: Any) -> ResTown:
    """`changes`: keys of the `res` section."""
    return ResTown(_policy(mode, model, **changes))


HOUR: Final = timedelta(hours=1)
