"""`python -m bench.cold_start policy.json`: a cold start of the sweep's function, then a tick while it is warm.

Prints milliseconds of each part as JSON. The process is new, as a function's is; Lambda's own start is not in it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.endpoint import small_services
from bench.endpoint.fleet import ACCOUNT, REGION
from costwatch import names


@dataclass(frozen=True, slots=True)
class _Context:
    """What the handler reads of Lambda's context."""

    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:costwatch-deadman"
    aws_request_id: str = "8f507cfc-0000-4697-b07a-ac58fc914c95"

    def get_remaining_time_in_millis(self) -> int:
        return 290_000


def main() -> None:
    os.environ[names.ENV_LEDGER_TABLE] = small_services.LEDGER_TABLE
    os.environ[names.ENV_ALERTS_TOPIC_ARN] = small_services.ALERTS_TOPIC_ARN
    os.environ[names.ENV_REFUSED_QUEUE_URL] = small_services.REFUSED_QUEUE_URL
    started = time.perf_counter()
    from costwatch.handlers import deadman  # noqa: PLC0415 - timed

    imported = time.perf_counter()
    from costwatch.settings import DeadmanSettings  # noqa: PLC0415 - imported by the handler already
    from costwatch.topology import DEADMAN  # noqa: PLC0415
    from costwatch.wiring import Wiring  # noqa: PLC0415

    context: Any = _Context()
    settings = DeadmanSettings.from_env(os.environ)
    wired = Wiring(settings=settings, policy_file=Path(sys.argv[1]), service=DEADMAN.service)
    watchdog = wired.watchdog(context)
    for region in wired.policy.regions:
        watchdog.ec2(region)
        watchdog.sagemaker(region)
    wiring_built = time.perf_counter()
    tick = {"source": names.SOURCE_SCHEDULE, "detail-type": names.DETAIL_SCHEDULED, "detail": {}}
    printed, sys.stdout = sys.stdout, sys.stderr  # the handler prints its metrics
    deadman.handle(tick, context, wired)
    first = time.perf_counter()
    deadman.handle(tick, context, wired)
    second = time.perf_counter()
    sys.stdout = printed
    parts = {
        "import": imported - started,
        "wiring and clients": wiring_built - imported,
        "first tick": first - wiring_built,
        "cold start in all": first - started,
        "next tick": second - first,
    }
    print(json.dumps({name: round(seconds * 1000, 1) for name, seconds in parts.items()}))


if __name__ == "__main__":
    main()
