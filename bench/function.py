"""The sweep's function in a process of its own, wired to the endpoint as a deploy would wire it."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.endpoint import small_services
from bench.endpoint.fleet import ACCOUNT, REGION
from costwatch import names

if TYPE_CHECKING:
    from collections.abc import Callable

    from costwatch.wiring import Wiring

TICK: Final = {"source": names.SOURCE_SCHEDULE, "detail-type": names.DETAIL_SCHEDULED, "detail": {}}


@dataclass(frozen=True, slots=True)
class _Context:
    """What the handler reads of Lambda's context."""

    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:costwatch-deadman"
    aws_request_id: str = "8f507cfc-0000-4697-b07a-ac58fc914c95"

    def get_remaining_time_in_millis(self) -> int:
        return 290_000


CONTEXT: Final[Any] = _Context()


def wiring(policy_file: Path, clock: Callable[[], datetime] | None = None) -> Wiring:
    """Imports the handler's modules where they are not imported yet, so that a cold start can time that."""
    from costwatch.settings import DeadmanSettings  # noqa: PLC0415
    from costwatch.topology import DEADMAN  # noqa: PLC0415
    from costwatch.wiring import Wiring, utc_now  # noqa: PLC0415

    environment = {
        **os.environ,
        names.ENV_LEDGER_TABLE: small_services.LEDGER_TABLE,
        names.ENV_ALERTS_TOPIC_ARN: small_services.ALERTS_TOPIC_ARN,
        names.ENV_REFUSED_QUEUE_URL: small_services.REFUSED_QUEUE_URL,
        names.ENV_HEARTBEAT_BUS: names.HEARTBEAT_BUS,
    }
    return Wiring(
        settings=DeadmanSettings.from_env(environment),
        policy_file=policy_file,
        service=DEADMAN.service,
        clock=clock or utc_now,
    )


def tick(wired: Wiring) -> dict[str, Any]:
    """One event of the schedule; what the handler prints (its log and metrics) goes to standard error."""
    from costwatch.handlers import deadman  # noqa: PLC0415

    with redirect_stdout(sys.stderr):
        return deadman.handle(TICK, CONTEXT, wired)
