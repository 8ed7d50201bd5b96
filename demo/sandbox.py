"""The sandbox: the demo's fleet in the embedded AWS, under the real time, for commands typed in another terminal.

Costwatch is deployed there in observe. It has swept for the hours before the start, on the stage's fast clock; then it
goes on with the real one.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from costwatch import names
from costwatch.adapters.dynamodb import DynamoTable
from costwatch.adapters.ledger import Ledger, Stamp
from costwatch.adapters.price_store import PriceStore
from costwatch.adapters.prices import SeedPrices
from costwatch.cli.session import ENV_FUNCTION
from costwatch.core.price_book import TrustedPrices
from costwatch.topology import PRICES
from demo import history
from demo.cast import HPO, PEOPLE, PLATFORM, TRAINER, seed
from demo.embedded.world import utc_now
from demo.sandbox_functions import LiveStage
from demo.sandbox_stack import list_as_stack
from demo.stage import TABLE, Stage

CONFIGURATION: Final = Path(__file__).with_name("sandbox.yaml")
DEPLOYED: Final = "deployed.yaml"
"""The same file, where whoever pastes finds it."""
WATCHED: Final = timedelta(hours=6)
"""How long Costwatch has been deployed when the sandbox opens."""
_TICK_SECONDS: Final = 1.0
_HERE: Final = "127.0.0.1"


def stay() -> int:
    """Until Ctrl-C or SIGTERM, then 0. 2 where anything would listen elsewhere than on 127.0.0.1."""
    for each in (signal.SIGINT, signal.SIGTERM):  # also where a shell started this with Ctrl-C ignored
        signal.signal(each, signal.default_int_handler)
    print("Opening the sandbox, which takes some seconds ...", file=sys.stderr)
    try:
        return _stay()
    except KeyboardInterrupt:
        print("\nThe sandbox is closed; nothing is left of it.", file=sys.stderr)
        return 0


def _stay() -> int:
    start = utc_now().replace(second=0, microsecond=0) - WATCHED
    with (
        tempfile.TemporaryDirectory(prefix="costwatch-sandbox-") as directory,
        Stage(start=start, people=PEOPLE, recorded=False) as stage,
    ):
        elsewhere = [url for url in (stage.aws.endpoint_url, stage.slack.base_url) if not is_here(url)]
        if elsewhere:
            print(f"a sandbox listens on {_HERE} alone, and this one would on {elsewhere[0]}", file=sys.stderr)
            return 2
        fill(stage, start)
        Path(directory, ".venv").symlink_to(sys.prefix, target_is_directory=True)
        Path(directory, DEPLOYED).write_text(CONFIGURATION.read_text(encoding="utf-8"), encoding="utf-8")
        live = LiveStage(stage, utc_now)
        live.catch_up()
        with live.answering():
            print("\n".join(told(stage, Path(directory))), flush=True)
            while True:
                time.sleep(_TICK_SECONDS)
                live.catch_up()


def is_here(url: str) -> bool:
    """Whether it is this machine's own loopback address, written as one."""
    return urlsplit(url).hostname == _HERE


def fill(stage: Stage, start: datetime) -> None:
    """Deploy and seed as of `start`, and plan what happens since. Time has not passed yet."""
    loaded = stage.deploy(CONFIGURATION.read_text(encoding="utf-8"))
    list_as_stack(stage)
    stage.slack.channels.add(PLATFORM.removeprefix("#"), member=True)
    table = DynamoTable(stage.aws.client("dynamodb"), TABLE)
    stamp = Stamp(loaded.policy_document["digest"], loaded.policy_document["config_commit"])
    stage.fire(PRICES.name)
    prices = TrustedPrices(PriceStore(table, stamp).load(), SeedPrices(), start)
    cast = seed(stage.aws, prices, start)
    history.remember(stage.aws, Ledger(table, stamp=stamp), prices, start)
    history.show_in_sagemaker(stage.aws, start, TRAINER)
    stage.state_events.take()  # what was there before is no change
    for hours, name in enumerate(HPO[:2], start=1):  # two have done their work meanwhile
        at = start + timedelta(hours=hours)
        stage.later(at, partial(stage.aws.fleet.end_instance, cast[name].id, at))
    finished_at = start + timedelta(hours=4, minutes=20)
    stage.later(finished_at, partial(stage.aws.fleet.finish_job, history.CHURN, finished_at))


def told(stage: Stage, directory: Path) -> Iterator[str]:
    """What the terminal says, the lines to paste among it."""
    yield "An AWS account that is none: moto on this machine, 127.0.0.1 alone. Paste this into another terminal:"
    yield ""
    yield from pasted(environment(stage, directory), directory)
    yield ""
    yield "There try what README has, such as: costwatch scan; costwatch preview --since 30d; costwatch init --yes;"
    yield "costwatch check-config; costwatch doctor; costwatch status --would-have; costwatch report --html report.html"
    yield f"Costwatch was deployed there {WATCHED // timedelta(hours=1)} hours ago, in observe, from {DEPLOYED}:"
    yield f"costwatch doctor --config {DEPLOYED}; costwatch extend churn-ablation 4h --config {DEPLOYED}"
    yield f"Slack, as people see it: {stage.slack.page_url}"
    yield "Ctrl-C ends it, and removes that directory with all that you wrote into it."


def environment(stage: Stage, directory: Path) -> Mapping[str, str]:
    """What a shell needs to see this AWS and this Slack and no other. The keys open nothing anywhere."""
    return {
        **stage.aws.environment(),
        names.ENV_SLACK_API_URL: stage.slack.base_url,
        "XDG_CACHE_HOME": str(directory / "cache"),
        "PATH": os.pathsep.join([str(directory / ".venv" / "bin"), "$PATH"]),
    }


def pasted(variables: Mapping[str, str], directory: Path) -> Iterator[str]:
    """Lines for a shell."""
    yield f"unset AWS_PROFILE AWS_DEFAULT_PROFILE {names.ENV_LEDGER_TABLE} {ENV_FUNCTION}"
    for name, value in variables.items():
        yield f'export PATH="{value}"' if name == "PATH" else f"export {name}={shlex.quote(value)}"
    yield f"cd {shlex.quote(str(directory))}"
