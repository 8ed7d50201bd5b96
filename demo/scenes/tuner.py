"""The tuning job whose training jobs come and go: one clock, one card, one stop."""

from __future__ import annotations

from costwatch.core.record import Transition
from demo.cast import PLATFORM, PRIYA, TUNED, at
from demo.checks import Checker
from demo.end_state import EndState
from demo.play import Play

TITLE = "The tuner"
CONTRACT = "Contract, line 5: the children of a tuning job are never judged, priced or stopped by themselves."
ACTOR = "lr-search"
LATE = f"{ACTOR}-5"


def play(play: Play) -> None:
    fleet = play.stage.aws.fleet
    play.tell.say(
        "lr-search tunes a learning rate, three training jobs at a time, $21.27 an hour. When one ends, the tuning job "
        "starts the next, so none of them is past any limit. Its own clock runs since 11:05: its 12 h end at 23:05. "
        "Priya was warned of it once, at 22:10. By what it declares it may cost more than $4,500, so @risk-leads were "
        "asked when it was first seen. No answer came, which means no; it has not spent that much, so its time ends it."
    )
    play.recall(ACTOR, "warning")
    arn = play.cast.arn_of(ACTOR)
    late = {"type": "ml.g5.12xlarge", "started_at": at("23:10:40")}
    play.stage.later(at("23:10:40"), lambda: fleet.child_of(arn, LATE, **late))
    play.stage.later(at("23:18"), lambda: fleet.finish_job(LATE, at("23:18"), "Stopped"))
    play.until("23:12", about=[ACTOR], cards=[(ACTOR, "stopped")])
    jobs = play.reader.read_jobs()
    running = [name for name in (*TUNED, LATE) if jobs.get(name, {}).get("status") == "InProgress"]
    play.tell.say(
        f"23:12  SageMaker ends what the tuning job had started; {', '.join(running)} it started in that very moment. "
        "Gone is when the last of them is."
    )
    play.until("23:40", about=[ACTOR])


def expect(end: EndState, check: Checker) -> None:
    status = {name: (end.jobs.get(name) or {}).get("status") for name in (ACTOR, *TUNED, LATE)}
    stopped = dict.fromkeys((ACTOR, *TUNED, LATE), "Stopped")
    check.see("SageMaker: the tuning job and all it started", stopped | {TUNED[0]: "Completed"}, status)
    check.stopped(
        end,
        ACTOR,
        PRIYA,
        notice="1 h",
        platform=PLATFORM,
        asked=["approval asked", "approval asked", "reminded", "expired", "expired", "answered"],
        heard_asked=[f"{PLATFORM}: {kind}" for kind in ("expired", "reminder", "answered")],
    )
    alone = [name for name in (*TUNED, LATE) if end.transitions(name) or end.heard(name)]
    check.see("ledger and Slack: nothing about any of its training jobs alone", [], alone)
    verified = end.row(ACTOR, Transition.VERIFIED_GONE)
    check.see("ledger: gone is when the last of them is", True, bool(verified and verified.at > at("23:18")))
