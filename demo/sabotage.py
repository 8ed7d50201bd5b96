"""Three ways to break Costwatch on purpose. `python -m demo --auto` must notice each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from unittest.mock import patch

from costwatch.adapters.ec2 import Ec2
from costwatch.core import deadman, selection
from costwatch.core.deadlines import Deadline
from costwatch.core.deadman import Verdict
from costwatch.core.model import Run
from costwatch.core.policy import Action, Selector
from costwatch.core.record import Notice, RunRecord
from costwatch.procedures import kinds
from costwatch.procedures.outcome import Outcome
from costwatch.procedures.ports import Ec2Port
from costwatch.procedures.stop_instances import stop_instances


@contextmanager
def _skip_warning() -> Iterator[None]:
    judge_notice = deadman._judge_notice

    def accepted_long_ago(
        run: Run,
        record: RunRecord | None,
        selector: Selector,
        deadline: Deadline,
        notice: Notice | None,
        key: str,
        now: datetime,
        owner: str,
    ) -> Any:
        if record is None:
            return Verdict.WAIT, "sabotage: as if it had been warned", None
        long_ago, everybody = deadline.at - timedelta(days=1), record.members
        notice = Notice("sabotage", record.mode, deadline.at, long_ago, owner, everybody, long_ago, "nobody")
        notice = replace(notice, stops_at=now - timedelta(minutes=1), action=selector.action)
        return judge_notice(run, replace(record, notice=notice), selector, deadline, notice, key, now, owner)

    with patch.object(deadman, "_judge_notice", accepted_long_ago):
        yield


@contextmanager
def _skip_spot_cancel() -> Iterator[None]:
    def without_requests(ec2: Ec2Port, run: Run, action: Action) -> Outcome:
        unseen = tuple(replace(member, spot_request=None) for member in run.members)
        return stop_instances(ec2, replace(run, members=unseen), action)

    with patch.object(kinds, "stop_instances", without_requests):
        yield


@contextmanager
def _ignore_protection() -> Iterator[None]:
    def nothing(*_: Any) -> None:
        return None

    def unprotected(*_: Any) -> bool:
        return False

    with patch.object(selection, "protected_by", nothing), patch.object(Ec2, "termination_protection", unprotected):
        yield


SABOTAGES: Final[dict[str, tuple[str, Callable[[], Any]]]] = {
    "skip-warning": ("every notice counts as accepted long ago", _skip_warning),
    "skip-spot-cancel": ("instances go before their persistent spot requests", _skip_spot_cancel),
    "ignore-protection": ("protect rules and termination protection read as absent", _ignore_protection),
}
