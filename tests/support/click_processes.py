"""Many copies of the function behind the door, each a process of its own, that begin at the same moment."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final

_WAIT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Work:
    """What one process gets: its environment as Lambda would give it, and events one after another."""

    env: Mapping[str, str]
    document: Mapping[str, Any]
    policy_file: Path
    function_arn: str
    now: datetime
    events: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Done:
    """`results`: of each event. `calls`: how often which AWS operation was called."""

    results: list[dict[str, Any]]
    calls: Counter[str]


def together(works: Sequence[Work]) -> list[Done]:
    """One process for each; they start from nothing and begin when all of them are ready."""
    spawned = multiprocessing.get_context("spawn")
    barrier = spawned.Barrier(len(works))
    pairs = [spawned.Pipe(duplex=False) for _ in works]
    processes = [
        spawned.Process(target=_process, args=(work, barrier, sender))
        for work, (_, sender) in zip(works, pairs, strict=True)
    ]
    for process in processes:
        process.start()
    try:
        done = []
        for (receiver, sender), process in zip(pairs, processes, strict=True):
            sender.close()  # so that a process that died is heard of
            if not receiver.poll(_WAIT_SECONDS):
                raise TimeoutError(f"process {process.pid} did not finish within {_WAIT_SECONDS:g} s")
            done.append(receiver.recv())
        return done
    finally:
        for process in processes:
            process.join(5)
            if process.is_alive():
                process.kill()
                process.join(5)


def _process(work: Work, barrier: Barrier, sender: Any) -> None:
    os.environ.update(work.env)
    os.environ.pop("AWS_PROFILE", None)
    sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends

    from costwatch.handlers import clicks  # noqa: PLC0415 - with the environment above, as in Lambda
    from costwatch.settings import ClicksSettings  # noqa: PLC0415
    from costwatch.topology import CLICKS  # noqa: PLC0415
    from costwatch.wiring import ClicksWiring  # noqa: PLC0415
    from demo import recorder  # noqa: PLC0415
    from tests.support.embedded import Context  # noqa: PLC0415

    recorder.install()
    settings = ClicksSettings.from_env(os.environ)
    wired = ClicksWiring(settings, work.policy_file, CLICKS.service, clock=lambda: work.now)
    context: Any = Context(work.function_arn)
    barrier.wait(_WAIT_SECONDS)
    acting = recorder.acting_as("clicks", policy=work.document, settings=settings)
    with recorder.collecting(roles=("clicks",)) as calls, acting:
        results = [clicks.handle(event, context, wired) for event in work.events]
    sender.send(Done(results, Counter(call.operation for call in calls)))
    sender.close()
