"""should-retrain: ask whether training now pays. For cron and CI: the exit code is the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, BinaryIO, Final

import click

from costwatch import names
from costwatch.cli import deployed_function, show
from costwatch.cli.options import Usd, as_json, with_session
from costwatch.cli.session import Session
from costwatch.core import times
from costwatch.core.gains import finite
from costwatch.core.modes import Mode
from costwatch.core.res_policy import ModelRules
from costwatch.core.retrain_questions import Asked, answered, document
from costwatch.core.retraining import PastTraining, RetrainRules, ServedError
from costwatch.core.retraining import should_retrain as advise
from costwatch.errors import InputError, NotDeployedError

SINCE_VERSION: Final = "0.2.0"
SKIP: Final = 6
_LARGEST_BYTES: Final = 4 * 1024 * 1024


@click.command("should-retrain", short_help="Ask whether training a model now pays.")
@click.option("--model", required=True, metavar="NAME", help="One of those under res.models in costwatch.yaml.")
@click.option(
    "--model-region", default="", metavar="REGION", help="Where the model is registered; else the stack's home region."
)
@click.option("--cost-usd", type=Usd(), help="What the training would cost; else as those before it did.")
@click.option(
    "--served-error", metavar="NUMBER", help="What the serving model showed since the last question; lower is better."
)
@click.option("--reference-error", metavar="NUMBER", help="A naive baseline's error in the same time.")
@click.option("--id", "asked_id", default="", help="The same id is answered as it was before, for example a build's.")
@click.option("--history", type=click.File("rb"), help="Decide by this JSON file, without AWS; - is stdin.")
@as_json
@with_session
def should_retrain(
    session: Session,
    model: str,
    model_region: str,
    cost_usd: Decimal | None,
    served_error: str | None,
    reference_error: str | None,
    asked_id: str,
    history: BinaryIO | None,
    as_json: bool,
) -> int:
    """Ask whether to train MODEL now, from what its trainings gained and cost, its age and what it shows.

    \b
    costwatch should-retrain --model churn --served-error 0.12
    costwatch should-retrain --model churn --history h.json

    Exit codes: 0 train, 6 skip, 2 bad input. Outside of mode enforce the answer is always to train, and says what it
    would have been. A worth or a cost that nobody told never makes it skip, and nothing is skipped more than most_skips
    times in a row.

    A history is {"trainings": [{"at", "cost_usd", "gain", "promoted"}], "served": [{"at", "error", "reference"}],
    "skipped_in_a_row": 0}; its answer is the advice itself, whatever the mode.
    """
    figures = {
        "cost_usd": str(cost_usd) if cost_usd is not None else None,
        "served_error": _figure(served_error, "--served-error"),
        "reference_error": _figure(reference_error, "--reference-error"),
    }
    if history is not None:
        answer = _by_file(session, model, history, figures)
    else:
        detail = {"model": model, "region": model_region, "id": asked_id, "requested_by": session.caller.arn}
        answer = _ask(session, detail | {name: value for name, value in figures.items() if value is not None})
    if as_json:
        show.document(dict(answer))
    else:
        _show(answer)
    return 0 if answer["train"] else SKIP


def _ask(session: Session, detail: Mapping[str, Any]) -> Mapping[str, Any]:
    session.deployment.require_version(SINCE_VERSION, "costwatch should-retrain")
    if not session.deployment.retrain_function:
        raise NotDeployedError("the deployed Costwatch judges no models: name them under res.models and deploy again")
    return deployed_function.ask(
        session, names.DETAIL_ADVICE_REQUESTED, detail, answer="answer", function=session.deployment.retrain_function
    )


def _figure(written: str | None, option: str) -> str | None:
    if written is None:
        return None
    number = finite(written, option)
    if number < 0:
        raise InputError(f"{option} is {written}; expected 0 or more")
    return str(number)


# --- without AWS --------------------------------------------------------------------------------------------


def _by_file(session: Session, model: str, history: BinaryIO, figures: Mapping[str, str | None]) -> Mapping[str, Any]:
    rules = _rules(session, model)
    body = _parsed(history)
    now = session.now()
    served = [_served(each, f"served[{n}]", now) for n, each in enumerate(_list(body, "served"))]
    if figures["served_error"] is not None:
        served.append(ServedError(now, Decimal(figures["served_error"]), _decimal(figures["reference_error"])))
    skipped = body.get("skipped_in_a_row", 0)
    if isinstance(skipped, bool) or not isinstance(skipped, int) or skipped < 0:
        raise InputError(f"skipped_in_a_row is {skipped!r}; expected a whole number of 0 or more")
    advice = advise(
        [_training(each, f"trainings[{n}]", now) for n, each in enumerate(_list(body, "trainings"))],
        served,
        now=now,
        rules=RetrainRules.of(rules),
        skipped_in_a_row=skipped,
        cost_usd=_decimal(figures["cost_usd"]),
    )
    # Mode enforce, in which an answer is the advice itself; a file knows of none.
    asked = Asked(model)
    question = answered("", asked, advice, (), mode=Mode.ENFORCE, every=rules.retrain.every, now=now)
    return document(question) | {"mode": "", "skipped_in_a_row": 0 if question.trains else question.skipped_in_a_row}


def _rules(session: Session, model: str) -> ModelRules:
    rules = session.policy.res.model(model)
    if rules is None:
        known = ", ".join(each.name for each in session.policy.res.models) or "none"
        raise InputError(f"--model is {model!r}; expected one of those under res.models: {known}")
    return rules


def _parsed(history: BinaryIO) -> Mapping[str, Any]:
    raw = history.read(_LARGEST_BYTES + 1)
    if len(raw) > _LARGEST_BYTES:
        raise InputError(f"--history is larger than {_LARGEST_BYTES:,} bytes")
    try:
        body = json.loads(raw, parse_float=Decimal)
    except ValueError as error:
        raise InputError(f"--history is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise InputError('--history holds no object; expected {"trainings": [...], "served": [...]}')
    return body


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    found = body.get(name, [])
    if not isinstance(found, list):
        raise InputError(f"{name} is no list")
    return found


def _training(body: object, where: str, now: datetime) -> PastTraining:
    found = _object(body, where)
    gain = found.get("gain")
    promoted = found.get("promoted", False)
    if not isinstance(promoted, bool):
        raise InputError(f"{where}.promoted is neither true nor false")
    return PastTraining(
        at=_moment(found, where, now),
        cost_usd=finite(found.get("cost_usd"), f"{where}.cost_usd"),
        gain=finite(gain, f"{where}.gain") if gain is not None else None,
        promoted=promoted,
    )


def _served(body: object, where: str, now: datetime) -> ServedError:
    found = _object(body, where)
    reference = found.get("reference")
    return ServedError(
        at=_moment(found, where, now),
        error=finite(found.get("error"), f"{where}.error"),
        reference=finite(reference, f"{where}.reference") if reference is not None else None,
    )


def _object(body: object, where: str) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise InputError(f"{where} is no object")
    return body


def _moment(body: Mapping[str, Any], where: str, now: datetime) -> datetime:
    text = body.get("at")
    try:
        moment = times.parse_rfc3339(text) if isinstance(text, str) else None
    except ValueError as error:
        raise InputError(f"{where}.at: {error}") from None
    if moment is None:
        raise InputError(f"{where}.at is missing; expected a time such as 2026-12-01T00:00:00Z")
    if moment > now:
        raise InputError(f"{where}.at is {text}, which is yet to come")
    return moment


def _decimal(text: str | None) -> Decimal | None:
    return Decimal(text) if text is not None else None


def _show(answer: Mapping[str, Any]) -> None:
    out = show.console()
    show.say(out, f"{answer['answer'].capitalize()}: {answer['model']}", style="bold")
    show.say(out, str(answer["reason"]))
    labels = {
        "expected_gain": "Expected gain",
        "expected_worth_usd": "Worth, USD",
        "expected_cost_usd": "Cost, USD",
        "score": "Score",
    }
    figures = [(label, str(answer[name])) for name, label in labels.items() if answer[name]]
    show.facts(out, [*figures, ("Skipped in a row", f"{answer['skipped_in_a_row']} of {answer['most_skips']}")])
