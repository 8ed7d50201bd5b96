"""gate: ask before money flows, and wait for the yes. For shells and CI: the exit code says what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, BinaryIO, Final

import click

from costwatch import names
from costwatch.cli import deployed_function, show
from costwatch.cli.options import Duration, as_json, with_session
from costwatch.cli.session import Session
from costwatch.errors import CostwatchError, InputError, NotDeployedError
from costwatch.intake import job_bodies
from costwatch.intake.job_requests import job_request

SINCE_VERSION: Final = "0.2.0"
DENIED, EXPIRED, PENDING = 4, 5, 8
_EXIT_CODES: Final = {"denied": DENIED, "withdrawn": DENIED, "refused": DENIED, "expired": EXPIRED, "pending": PENDING}
_LOOK_EVERY: Final = timedelta(seconds=15)
_SAID: Final = ("name", "owner", "team", "project", "model")


def _about(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(f"--{name}", help=f"The job's {name}, where its body does not say it.")


@click.command(short_help="Ask for a job's approval, and wait for it.")
@click.option("--job", type=click.File("rb"), required=True, help="Body of a Create...Job request, JSON; - is stdin.")
@click.option("--wait", is_flag=True, help="Wait until somebody answers.")
@click.option("--timeout", type=Duration(), default="2h", show_default=True, help="Wait no longer than that.")
@click.option("--expected-runtime", metavar="DURATION", help="How long it usually takes, for example 6h.")
@click.option("--key", help="What tells this question from others; the same key is never asked about twice.")
@_about("name")
@_about("owner")
@_about("team")
@_about("project")
@_about("model")
@as_json
@with_session
def gate(
    session: Session,
    job: BinaryIO,
    wait: bool,
    timeout: timedelta,
    expected_runtime: str | None,
    key: str | None,
    as_json: bool,
    **about: str | None,
) -> int:
    """Ask whether JOB may go on. Below the threshold it may at once; above it somebody is asked in Slack.

    \b
    costwatch gate --job create-training-job.json --wait
    costwatch gate --job job.json --key "$BUILD_ID" --json

    The same job is asked about once a day, or once for each --key: whoever asks again is told what became of it. A yes
    prints its id; give it to the job as the tag costwatch:approval, so that nobody is asked about it again. Exit codes:
    0 it may go on, 2 bad input, 4 denied, 5 nobody answered in time or its yes was used, 8 nobody has answered yet.
    """
    detail = _detail(session, job, key, expected_runtime, about)
    answer = _ask(session, detail)
    if wait and answer["waits"]:
        _say_waits(answer, as_json=as_json)
        answer = _awaited(session, detail, answer, session.now() + timeout)
    code = _EXIT_CODES.get(answer["decision"], 0 if answer["goes_on"] else DENIED)
    if as_json:
        show.document(dict(answer))
    else:
        _show(answer)
    return code


def _detail(
    session: Session, job: BinaryIO, key: str | None, expected_runtime: str | None, about: Mapping[str, str | None]
) -> dict[str, Any]:
    name = str(getattr(job, "name", "-"))
    body = job_bodies.parsed(
        job.read(job_bodies.LARGEST_BYTES + 1), "standard input" if name in ("<stdin>", "-") else name
    )
    request: dict[str, Any] = {"job": body, **{k: v for k, v in about.items() if v and k in _SAID}}
    if expected_runtime is not None:
        request["expected_runtime"] = expected_runtime
    job_request(request, session.deployment.home_region)  # else the gate's mode decides what bad input is called
    if key is not None and not 1 <= len(key) <= 200:
        raise InputError(f"--key: {len(key)} characters; expected 1 to 200")
    day = session.now().date().isoformat()
    whole = json.dumps(request, sort_keys=True)
    made = key or f"{day}-{hashlib.sha256(whole.encode()).hexdigest()[:32]}"
    return {"request": request, "requested_by": session.caller.arn, "key": made}


def _ask(session: Session, detail: Mapping[str, Any]) -> Mapping[str, Any]:
    session.deployment.require_version(SINCE_VERSION, "costwatch gate")
    if not session.deployment.gate_function:
        raise NotDeployedError("the deployed Costwatch has no gate to ask: deploy again")
    return deployed_function.ask(
        session,
        names.DETAIL_GATE_REQUESTED,
        detail,
        answer="decision",
        function=session.deployment.gate_function,
    )


def _awaited(session: Session, detail: Mapping[str, Any], answer: Mapping[str, Any], until: Any) -> Mapping[str, Any]:
    """The answer, or the question as it stands at `until`. A look that fails for a moment is made again."""
    while answer["waits"] and session.now() < until:
        left: timedelta = until - session.now()
        session.tools.sleep(min(_LOOK_EVERY, left).total_seconds())
        try:
            answer = _ask(session, detail)
        except CostwatchError as error:
            if not error.retry:
                raise
            show.note(f"looked in vain, and look again: {error}")
    return answer


def _say_waits(answer: Mapping[str, Any], *, as_json: bool) -> None:
    if not as_json:
        show.note(f"{answer['id']} {answer['reason']}; waiting. Ctrl-C ends the waiting and not the question.")


def _show(answer: Mapping[str, Any]) -> None:
    out = show.console()
    show.say(out, answer["reason"][:1].upper() + answer["reason"][1:] + ".", style="bold")
    outputs: Mapping[str, str] = answer["outputs"]
    labels = {
        "approval_id": "Approval",
        "expected_usd": "Expected, USD",
        "worst_case_usd": "At most, USD",
        "granted_usd": "Granted, USD",
        "max_runtime_seconds": "May run, seconds",
        "answered_by": "Answered by",
    }
    show.facts(out, [(label, outputs[name]) for name, label in labels.items() if outputs.get(name)])
