"""Trainers that beat: the real training client in each, sending through the embedded EventBridge as time goes by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import costwatch_client
from demo.cast import Actor
from demo.stage import Stage

EVERY = timedelta(minutes=5)


class Trainer:
    """One training process. `at_step` says how far it is at a moment; None: it says nothing of steps."""

    def __init__(self, stage: Stage, actor: Actor, *, total: int, at_step: Callable[[datetime], int]) -> None:
        region, account = stage.aws.region, stage.aws.account_id
        environ = {costwatch_client.ENV_MEMBER: f"arn:aws:ec2:{region}:{account}:instance/{actor.id}"}
        self._stage = stage
        self._total = total
        self._at_step = at_step
        self._client = costwatch_client._Client(
            environ,
            link=costwatch_client._Link(environ, self._boto),
            clock=stage.clock,
            monotonic=lambda: stage.clock().timestamp(),
            say=lambda _line: None,
            threaded=False,
        )

    def beats(self, since: datetime, until: datetime) -> None:
        """It beats every five minutes, the first and the last moment included."""
        moment = since
        while moment <= until:
            self._stage.later(moment, self._beat)
            moment += EVERY

    def _beat(self) -> None:
        self._client.beat(self._at_step(self._stage.clock()), self._total, None, None, {})
        self._client.turn()

    def _boto(self, service: str, region: str) -> Any:
        return self._stage.aws.client(service, region)
