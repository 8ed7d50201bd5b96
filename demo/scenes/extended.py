"""The job that needs 13 hours under a limit of 12, extended in time."""

from __future__ import annotations

from pathlib import Path

from costwatch.core.record import Transition
from demo.cast import MARIA, at
from demo.checks import Checker
from demo.end_state import EndState
from demo.play import Play

TITLE = "The 13-hour job"
CONTRACT = "Contract, line 11: every decision can be explained, those of people too: who, when, how much."
ACTOR = "churn-bert-large"
CONFIGURATION = Path(__file__).parent.parent / "costwatch.yaml"


def play(play: Play) -> None:
    play.tell.say(
        "churn-bert-large (SageMaker, 1 x ml.p4d.24xlarge, $25.25 an hour) runs since 09:10 and needs 13 hours. The "
        "limit is 12. It took as long on the last eleven days, and so the card knows what it will cost. This time "
        "somebody reads it."
    )
    play.stage.later(at("22:09:30"), lambda: play.stage.aws.fleet.finish_job(ACTOR, at("22:09:30")))
    play.recall(ACTOR, "warning", whole=True)
    play.until("20:14", about=[ACTOR])
    play.click(MARIA, ACTOR, "warning", "extend:4h")
    play.tell.say("It may now run until 01:10. It will not need that long: watch for it at 22:09.")


def expect(end: EndState, check: Checker) -> None:
    ended = {"status": "Completed", "ended_at": "2026-11-23T22:09:30Z"}
    check.see("SageMaker: it finished by itself", ended, end.jobs.get(ACTOR))
    expected = ["warned", "notice accepted", "extended", "stands down", "ended by itself"]
    check.see("ledger: extended, let run, closed when it ended", expected, end.transitions(ACTOR))
    extended = end.row(ACTOR, Transition.EXTENDED)
    check.see("ledger: by whom", True, bool(extended and "Maria" in extended.actor))
    check.see("Slack: warned once and never again", [f"{MARIA}: warning"], end.heard(ACTOR))
    seen, over = end.row(ACTOR, Transition.FIRST_SEEN), end.row(ACTOR, Transition.ENDED_BY_ITSELF)
    forecast = "$328.27 (13 h: the median of its last 11 runs), at most $606.03"
    check.see("ledger: what it was expected to cost", forecast, seen and seen.evidence.get("forecast"))
    actual = {name: over.evidence.get(name) for name in ("forecast_usd", "actual_usd", "actual_by")} if over else None
    expected_actual = {"forecast_usd": "328.27", "actual_usd": "328.06", "actual_by": "billable seconds"}
    check.see("ledger: what it cost, beside that", expected_actual, actual)
    check.see("ledger: no open row is left", None, end.open_records.get(ACTOR))
