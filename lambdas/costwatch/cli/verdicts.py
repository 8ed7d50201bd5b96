"""verdicts, promote, reject: what was decided about retrained models, and a person's word about one of them."""

from __future__ import annotations

from typing import Final

import click

from costwatch.adapters.deployed_function import DeployedFunction
from costwatch.adapters.ledger_judgements import Judgements
from costwatch.cli import judgement_document, show
from costwatch.cli.options import as_json, with_session
from costwatch.cli.session import Session
from costwatch.cli.show import Row
from costwatch.core import principals, res_words, times
from costwatch.core.judgements import Judgement
from costwatch.core.packages import ApprovalStatus
from costwatch.core.res_cards import LONGEST_REASON, is_open
from costwatch.core.res_standing import standing_plain
from costwatch.errors import InputError, NotDeployedError, RefusedError, UnknownRun
from costwatch.procedures import promotion_asked

_SHOWN: Final = 6
_LATEST: Final = 20


@click.command(short_help="What was decided about retrained models: gain, score, cost, by whom.")
@click.option("--model", metavar="MODEL", help="Of this model alone.")
@click.option(
    "--last", type=click.IntRange(min=1), default=_LATEST, show_default=True, help="So many, the newest ones."
)
@as_json
@with_session
def verdicts(session: Session, model: str | None, last: int, as_json: bool) -> None:
    """What was decided about retrained models, the newest first: gain, score, cost, and who decided otherwise.

    What is asked about waits for `costwatch promote` or `costwatch reject`.
    """
    with show.busy("Reading the ledger"):
        kept, account = _kept(session), session.caller.account
        found = kept.every(account, session.skip) if model is None else kept.of_model(account, model, session.skip)
        found = found[::-1][:last]
    arn = session.caller.arn
    if as_json:
        documents = [judgement_document.of(each, may=_may(each, arn)) for each in found]
        show.document({"at": times.to_key(session.now()), "verdicts": documents})
        return
    out = show.console()
    if not found:
        show.say(out, "No candidate was judged." if model is None else f"No candidate of {model} was judged.")
        return
    rows = [Row(_cells(each), _standing(each, arn)) for each in found]
    show.listing(out, ("model", "verdict", "gain", "score", "cost"), rows, right=("gain", "score", "cost"))
    if any(is_open(each) for each in found):
        out.print()
        show.say(out, "Decide: costwatch promote MODEL VERSION, or costwatch reject MODEL VERSION.")


@click.command(short_help="Promote what is better but too dear.")
@click.argument("model", metavar="MODEL")
@click.argument("version", metavar="VERSION", type=click.IntRange(min=1))
@click.option("--reason", default="", help="Why; everybody can read it in the ledger and in the model registry.")
@as_json
@with_session
def promote(session: Session, model: str, version: int, reason: str, as_json: bool) -> int:
    """Promote VERSION of MODEL, which was better, but not by what it cost.

    You may if your ARN, or that of your role, is among `res.approvers`. One decision counts, and it is final. The
    deployed function writes the model registry, where it may approve; else it says the command that does. Exit code 4:
    somebody was faster, it is decided already, or you may not.
    """
    return _decide(session, model, version, ApprovalStatus.APPROVED, reason, as_json=as_json)


@click.command(short_help="Reject what is better but too dear.")
@click.argument("model", metavar="MODEL")
@click.argument("version", metavar="VERSION", type=click.IntRange(min=1))
@click.option("--reason", default="", help="Why; everybody can read it in the ledger and in the model registry.")
@as_json
@with_session
def reject(session: Session, model: str, version: int, reason: str, as_json: bool) -> int:
    """Reject VERSION of MODEL, which was better, but not by what it cost.

    Who may promote it may reject it. One decision counts, and it is final.
    """
    return _decide(session, model, version, ApprovalStatus.REJECTED, reason, as_json=as_json)


def _decide(session: Session, model: str, version: int, target: ApprovalStatus, reason: str, *, as_json: bool) -> int:
    if len(reason) > LONGEST_REASON:
        raise InputError(f"--reason has {len(reason)} characters, expected at most {LONGEST_REASON}")
    arn = session.caller.arn
    with show.busy("The deployed function decides"):
        function = session.deployment.res_function
        if not function:
            raise NotDeployedError("the deployed Costwatch judges no model: name one under res.models and deploy again")
        found = _find(session, model, version)
        _check(found, arn)
        res = DeployedFunction(session.invoke_client(), function)
        answer = promotion_asked.ask(res, found, target, by=arn, name=principals.shown(arn), reason=reason.strip())
        after = _find(session, model, version)
    failures = [str(failure["reason"]) for failure in answer.get("failures", [])]
    if as_json:
        show.document({**judgement_document.of(after, may=_may(after, arn)), "failures": failures})
        return 1 if failures else 0
    out = show.console()
    show.say(out, f"{after.name}: {standing_plain(after)}")
    for failure in failures:
        show.say(out, f"It failed, and the next sweep tries again: {failure}")
    return 1 if failures else 0


def _check(found: Judgement, arn: str) -> None:
    """Raises RefusedError."""
    if not _may(found, arn):
        listed = ", ".join(found.approvers)
        approvers = f"approvers are {listed}" if listed else "no approver is configured"
        raise RefusedError(f"you may not do that as {arn}: only approvers may promote or reject a model; {approvers}")


def _find(session: Session, model: str, version: int) -> Judgement:
    """Raises UnknownRun with what is known of the model; InputError for a version that several regions have."""
    known = _kept(session).of_model(session.caller.account, model, session.skip)
    found = [each for each in known if each.package_version == version]
    asked = [each for each in found if is_open(each)]
    if len(found) > 1 and len(asked) != 1:
        raise InputError(f"{model} {version} was judged in {' and '.join(each.region for each in found)}: use its card")
    if found:
        return (asked or found)[0]
    names = ", ".join(each.name for each in known[::-1][:_SHOWN])
    raise UnknownRun(f"no candidate is called {model} {version}; judged: {names or 'none of that model'}")


def _kept(session: Session) -> Judgements:
    return Judgements(session.ledger())


def _may(judgement: Judgement, arn: str) -> bool:
    return bool(principals.listed_as(arn, judgement.approvers))


def _cells(judgement: Judgement) -> tuple[str, ...]:
    verdict = judgement.verdict
    gain = res_words.show_gain(verdict.gain.amount, verdict.gain.kind) if verdict.gain is not None else "-"
    score = " of ".join(res_words.show_scores(verdict.score)) if verdict.score is not None else "-"
    return judgement.name, verdict.value.value, gain, score, res_words.show_cost(verdict)


def _standing(judgement: Judgement, arn: str) -> str:
    facts = (
        judgement.verdict.reason,
        f"{', '.join(judgement.approvers) or 'nobody'} may decide{', so may you' if _may(judgement, arn) else ''}"
        if is_open(judgement)
        else "",
        standing_plain(judgement),
    )
    return "; ".join(filter(None, facts))
