"""What a sweep saw, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from costwatch.cli import runs, show
from costwatch.cli.show import Row
from costwatch.core.policy import Mode


def show_sweep(document: Mapping[str, Any], mode: str) -> None:
    """Print the document of a sweep, made here or by the deployed function."""
    out = show.console()
    at = datetime.fromisoformat(document["at"])
    done = "nothing was changed" if mode == Mode.OBSERVE.value else f"stopped {document['stopped']}"
    show.say(out, f"Sweep in {mode} at {show.clock(at)}: {done}; times are UTC.")
    out.print()
    found = document["runs"]
    if found:
        rows = [Row(_cells(run, at), str(run["reason"])) for run in found]
        show.listing(out, ("run", "verdict", "age", "deadline", "$/h"), rows, right=("age", "$/h"))
        out.print()
    burn = show.total([_rate(run) for run in found])
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in document["verdicts"].items())
    show.say(out, f"{document['watched']} watched{f' ({verdicts})' if verdicts else ''}: {burn} an hour.")
    for key, label in (
        ("stopped", "stopped"),
        ("would_stop", "would have been stopped now"),
        ("came_back", "came back after they were stopped"),
        ("undelivered", "messages not delivered yet"),
    ):
        if document.get(key):
            show.say(out, f"{document[key]} {label}.")
    if document["unwatched"]:
        show.say(
            out, f"{show.count(document['unwatched'], 'run')} on accelerators that no selector picks; never touched."
        )
        for line in document.get("unwatched_runs", ()):
            show.say(out, line, indent=2)
    if document.get("not_counted"):
        where = ", ".join(document["not_counted"])
        show.say(
            out,
            f"Only what can matter now was looked at in {where}: younger runs, and accelerators that no selector "
            "picks, were not. --unwatched counts everything.",
        )
    for failure in document["failures"]:
        then = "the next sweep tries again" if failure["retry"] else "it will fail again until something changes"
        show.say(out, f"Not handled: {failure['where']}: {failure['reason']} ({then})", style="bold red")


def _cells(run: Mapping[str, Any], at: datetime) -> tuple[str, ...]:
    short = runs.name_in(run["run"])
    started = datetime.fromisoformat(run["started"]) if run["started"] else None
    deadline = datetime.fromisoformat(run["deadline"]) if run["deadline"] else None
    return (
        short if run["name"] == short else f"{run['name']}\n{short}",
        run["verdict"],
        show.age(at - started) if started else "-",
        show.moment(deadline),
        show.usd(_rate(run)),
    )


def _rate(run: Mapping[str, Any]) -> Decimal | None:
    return Decimal(run["hourly_rate_usd"]) if run["hourly_rate_usd"] is not None else None
