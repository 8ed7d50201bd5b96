"""Who lists and decides: costwatch as people run it, and its peers. Each must find the same overdue instances."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.measure import ROOT, Sample
from bench.peers import custodian

CONFIG: Final = ROOT / "bench" / "costwatch.yaml"

ARTICLE: Final = "boto3 script"
CUSTODIAN: Final = f"Cloud Custodian {custodian.VERSION}"
FIRST: Final = "costwatch, first sweep"
AGAIN: Final = "costwatch, next sweep"
NO_LEDGER: Final = "costwatch --no-ledger"
NAMES: Final = {"script": ARTICLE, "custodian": CUSTODIAN, "first": FIRST, "next": AGAIN, "no-ledger": NO_LEDGER}
"""As the command line of the benchmark calls them, and as its tables do."""


@dataclass(frozen=True, slots=True)
class Contender:
    """`found`: how many instances it calls overdue. `fresh`: whether the ledger is emptied before its turn."""

    name: str
    command: Sequence[str]
    found: Callable[[Sample], int]
    fresh: bool = True


def contenders() -> list[Contender]:
    """In the order of a round; the next sweep comes right after the first, whose ledger it needs."""
    article = [sys.executable, str(ROOT / "bench" / "peers" / "article.py")]
    return [
        Contender(ARTICLE, article, lambda sample: int(sample.stdout)),
        Contender(CUSTODIAN, custodian.command(custodian.installed()), lambda _sample: custodian.found()),
        Contender(FIRST, sweep_command(), overdue),
        Contender(AGAIN, sweep_command(), overdue, fresh=False),
        Contender(NO_LEDGER, [*sweep_command(), "--no-ledger"], overdue),
    ]


def sweep_command() -> list[str]:
    """The command that people type, beside the Python that runs this."""
    costwatch = Path(sys.executable).parent / "costwatch"
    return [str(costwatch), "sweep", "--once", "--mode", "observe", "--json", "--config", str(CONFIG)]


def overdue(sample: Sample) -> int:
    """Runs whose deadline had passed at the time of the sweep."""
    document = json.loads(sample.stdout)
    return sum(1 for run in document["runs"] if run["deadline"] is not None and run["deadline"] <= document["at"])
