"""One model, trained again four times: it earns it, is within noise, is too dear, and is better not trained."""

from __future__ import annotations

from datetime import timedelta

from demo import models
from demo.cast import PLATFORM, RAVI
from demo.checks import Checker
from demo.end_state import EndState
from demo.play import Play
from demo.scenes.extended import CONFIGURATION

TITLE = "Models must earn their compute"
CONTRACT = "RES: what a gain is worth, against what it cost; nothing is rejected that could not be judged whole."
EARNED, NOISE, DEAR = (models.name(version) for version in (2, 3, 4))
SMALL, LARGE = ("ml.g5.12xlarge", 2), ("ml.p4d.24xlarge", 8)


def play(play: Play) -> None:
    aws = play.stage.aws
    play.tell.say(
        f"Priya's pipeline trains {models.MODEL} again tonight. Version 1 serves, with an AUC of 0.912. In "
        "demo/costwatch.yaml 0.01 of AUC is worth $4,000 over 30 days. Each new version waits in the model registry "
        "until somebody, or something, decides."
    )
    # The version is registered before its job is over: events come in either order.
    job = _training(play, 2, SMALL, hours=5)
    models.register(aws, 2, job, "0.921")
    play.on("1 min", about=[EARNED])
    _ends(play, job)
    play.on("1 min", about=[EARNED], cards=[(EARNED, "promoted")])
    play.tell.say("The next one is a hair better, and a hair is what two runs of the same model differ by.")
    job = _training(play, 3, SMALL, hours=5)
    _ends(play, job)
    models.register(aws, 3, job, "0.9215")
    play.on("1 min", about=[NOISE], cards=[(NOISE, "not promoted")])
    play.tell.say("Then somebody tries eight machines with eight A100s each. It helps, a little.")
    job = _training(play, 4, LARGE, hours=5)
    _ends(play, job)
    models.register(aws, 4, job, "0.9232")
    play.on("1 min", about=[DEAR], cards=[(DEAR, "not promoted")])
    play.tell.say("Ravi knows of a campaign that starts tomorrow, and takes it.")
    play.click(RAVI, DEAR, "not promoted", "promote", {"reason": "the campaign starts tomorrow"})
    play.on("1 min", about=[DEAR])
    play.tell.say("The fourth time the pipeline asks before it trains on those eight machines again.")
    cost = ("--cost-usd", "1010")
    code = play.command("priya", "should-retrain", "--model", models.MODEL, *cost, config=CONFIGURATION)
    if code == 6:
        play.tell.say("Exit code 6: the pipeline ends here, and nothing was spent.")
    play.command("priya", "verdicts", "--model", models.MODEL, config=CONFIGURATION)


def _training(play: Play, version: int, size: tuple[str, int], *, hours: int) -> str:
    kind, count = size
    began = play.stage.clock() - timedelta(hours=hours)
    return models.train(play.stage.aws, version, kind=kind, count=count, started_at=began)


def _ends(play: Play, job: str) -> None:
    play.stage.aws.fleet.finish_job(job, play.stage.clock())


def expect(end: EndState, check: Checker) -> None:
    check.see(
        "SageMaker: what the model registry shows",
        {models.name(1): "Approved", EARNED: "Approved", NOISE: "Rejected", DEAR: "Approved"},
        dict(end.packages),
    )
    verdicts = {
        (each["version"], each["verdict"], each["cause"], bool(each["decided_by"])) for each in end.verdict_events
    }
    expected = {
        (1, "overridden", "not pending", False),  # it was approved before Costwatch saw it
        (2, "promote", "earned its compute", False),
        (3, "reject", "within noise", False),
        (4, "better but too dear", "too dear", False),
        (4, "overridden", "by a person", True),
    }
    check.see("EventBridge: a verdict for whoever listens", expected, verdicts)
    check.see(
        "Slack: each is told once, and the answer stands in its place",
        [f"{PLATFORM}: promoted", f"{PLATFORM}: not promoted", f"{PLATFORM}: promoted by a person"],
        [each for name in (EARNED, NOISE, DEAR) for each in end.heard(name)],
    )
    costs = {each["version"]: each["cost_usd"] for each in end.verdict_events}
    check.see("ledger: each at what it cost", ["71.14", "70.90", "1010.05"], [costs.get(each) for each in (2, 3, 4)])
    advised = [row for row in end.timeline if row.transition == "training skipped"]
    asked_by = [_who(row.evidence) for row in advised]
    check.see("ledger: the fourth training was skipped, and Priya asked", ["priya"], asked_by)
    check.see("SageMaker: and no job of it began", False, f"{models.MODEL}-5" in end.jobs)


def _who(evidence: object) -> str:
    asked_by = str(dict(evidence)["asked_by"]) if isinstance(evidence, dict) else ""
    return asked_by.rpartition("/")[2]
