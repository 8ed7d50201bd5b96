"""Lambda's Invoke in the sandbox: a command in another terminal reaches the stage's own functions.

moto would want Docker for it. The real clock goes on meanwhile, so whoever acts holds the stage.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from moto.awslambda.models import LambdaBackend

from demo.stage import Stage

_STRIDE: Final = timedelta(minutes=30)


class LiveStage:
    """A stage under a clock that goes on by itself (aware UTC)."""

    def __init__(self, stage: Stage, clock: Callable[[], datetime]) -> None:
        self._stage = stage
        self._clock = clock
        self._turn = threading.Lock()

    def catch_up(self) -> None:
        """Let everything happen that is due by now."""
        with self._turn:
            self._catch_up()

    def _catch_up(self) -> None:
        # The stage goes minute by minute, with all sweeps. Hours that are over, before the start or while a laptop
        # slept, have one sweep a stride: they pass within seconds.
        while (now := self._clock()) - self._stage.clock() > _STRIDE:
            self._pass(self._stage.clock())
            self._stage.clock.now += _STRIDE
        self._pass(now)

    def _pass(self, moment: datetime) -> None:
        for _done in self._stage.run_until(moment):
            pass

    @contextmanager
    def answering(self) -> Iterator[None]:
        """While the block runs, Invoke at the embedded AWS runs the function, at the time that it is."""
        before = LambdaBackend.invoke

        def invoke(_backend: Any, name: str, _qualifier: Any, body: Any, _headers: Any, answered: Any) -> bytes:
            with self._turn:
                self._catch_up()
                answer = self._stage.invoke(
                    FunctionName=name.rpartition(":")[2], InvocationType="RequestResponse", Payload=body
                )
            if "FunctionError" in answer:
                answered["x-amz-function-error"] = answer["FunctionError"]
            payload: bytes = answer["Payload"].read()
            return payload

        LambdaBackend.invoke = invoke  # type: ignore[assignment, method-assign] # as demo.embedded.install does, for one stage
        try:
            yield
        finally:
            LambdaBackend.invoke = before  # type: ignore[method-assign]
