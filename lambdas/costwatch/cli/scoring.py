"""res: did a retrained model earn its compute?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click

from costwatch.cli import judged_numbers, scored_job, show, verdict_document, verdict_shown
from costwatch.cli.failures import PENDING, REJECTED, UNKNOWN, begun
from costwatch.cli.judged_numbers import Dollars, Number, PerExample, Told
from costwatch.cli.options import Duration, as_json
from costwatch.cli.session import Session, Tools
from costwatch.core.res import Cause, Cost, Value, Verdict, judge
from costwatch.core.res_policy import Direction, GainKind, ModelRules, WhenTooDear, Worth
from costwatch.errors import InputError

_LEAST, _MOST = Decimal("1e-9"), Decimal(10) ** 9
_ABOVE_0: Final = Number("a number above 0, from 1e-9 to 1e9, such as 0.01", lambda number: _LEAST <= number <= _MOST)
_FROM_0: Final = Number("a number of 0 or more, up to 1e9, such as 0.01", lambda number: 0 <= number <= _MOST)
_SCORE: Final = Number("a score from 0 to 0.99, such as 0.5", lambda number: 0 <= number <= Decimal("0.99"))
_ERRORS: Final = Number("a number of standard errors from 0 to 10", lambda number: 0 <= number <= 10)
_ANY: Final = Number()

_RULES: Final = (
    "direction", "metric", "gain", "worth_usd", "per", "over", "in_service", "min_score", "min_gain",
    "min_gain_per_1000_usd", "standard_errors",
)  # fmt: skip
"""What the configuration says of a model."""


@click.command(short_help="Whether a retrained model earned its compute.")
@click.option("--baseline", type=Number(none=True), metavar="N", help="The metric of what serves; none: nothing does.")
@click.option("--candidate", type=_ANY, metavar="N", help="The candidate's, measured on the same data.")
@click.option(
    "--cost-usd", type=Dollars(), metavar="USD", help="What its training cost.  [default: unknown, so unjudged]"
)
@click.option("--metric", metavar="NAME", help="What both are.  [default: metric]")
@click.option("--direction", type=click.Choice([each.value for each in Direction]), help="Which way it gets better.")
@click.option("--gain", type=click.Choice([each.value for each in GainKind]), help="[default: absolute]")
@click.option("--worth-usd", type=Dollars(), metavar="USD", help="What --per of gain is worth in each --over.")
@click.option("--per", type=_ABOVE_0, metavar="N", help="0.01: in the metric's unit; of a relative gain 1%.")
@click.option("--over", type=Duration(), help="Such as 30d.")
@click.option("--in-service", type=Duration(), help="How long it is expected to serve.  [default: one --over]")
@click.option("--min-score", type=_SCORE, metavar="N", help="What passes, inclusive.  [default: 0.5, break-even]")
@click.option("--min-gain-per-1000-usd", type=_ABOVE_0, metavar="N", help="What passes, where there is no worth.")
@click.option("--standard-error", type=_FROM_0, metavar="N", help="Of the difference of both metrics.")
@click.option("--sample-size", type=click.IntRange(min=1), metavar="N", help="Examples; for accuracy-like metrics.")
@click.option("--differences", type=click.File("rb"), metavar="FILE", help="Candidate minus baseline, per example.")
@click.option("--standard-errors", type=_ERRORS, metavar="N", help="A smaller gain is noise.  [default: 2]")
@click.option("--min-gain", type=_ABOVE_0, metavar="N", help="A smaller gain is noise, where nothing tells its error.")
@click.option("--gpu-hours", type=_FROM_0, metavar="N", help="Of its training, to show.")
@click.option("--all-candidates-usd", type=Dollars(), metavar="USD", help="Of all since the last promotion, to show.")
@click.option(
    "--when-too-dear",
    type=click.Choice([each.value for each in WhenTooDear]),
    help="Better, but not by what it cost: exit with 8, or with 7.  [default: reject; with --model what it says]",
)
@click.option("--strict", is_flag=True, help="Exit with 3 where nothing could be judged.")
@click.option("--model", metavar="NAME", help="Take the rules from `res.models` of the configuration.")
@click.option("--training-job", metavar="NAME", help="Of --model: its metrics, its cost and what serves are read.")
@click.option(
    "--also", type=PerExample(), multiple=True, metavar="NAME=BASELINE,CANDIDATE", help="A guardrail of --model."
)
@click.option(
    "--config", type=click.Path(path_type=Path), help="The configuration to decide by.  [default: costwatch.yaml]"
)
@click.option("--region", metavar="REGION", help="Home region of the stack; else AWS's own settings say it.")
@as_json
@click.option("--markdown", "as_markdown", is_flag=True, help="For a job's summary.")
@click.pass_context
def res(
    ctx: click.Context,
    /,
    model: str | None,
    training_job: str | None,
    when_too_dear: str | None,
    strict: bool,
    config: Path | None,
    region: str | None,
    as_json: bool,
    as_markdown: bool,
    **told: Any,
) -> int:
    """Weigh what a candidate gained against what its training cost.

    \b
    costwatch res --direction maximize --cost-usd 3200
      --baseline 0.912 --candidate 0.914
      --worth-usd 4000 --per 0.01 --over 30d
    costwatch res --model churn --cost-usd 3200
      --baseline 0.912 --candidate 0.914
    costwatch res --model churn --training-job churn-41

    Needs no AWS, but for --training-job, which reads: the job's final metrics, what it cost by the deployed ledger
    (else by what SageMaker billed and the prices), and the newest Approved version of the model's group.

    Exit codes: 0 promote (and the first model, which has nothing to be better than), 2 bad input, 7 reject, 8 better
    but too dear and somebody is asked. What cannot be judged is said and exits with 0: nothing is rejected that was
    not judged whole. With --strict it exits with 3.
    """
    begun()
    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown are two documents: give one of them")
    given = {name: value for name, value in told.items() if value not in (None, ())}
    session = Session(config=config, region=region, tools=ctx.obj if isinstance(ctx.obj, Tools) else None)
    if training_job is not None and model is None:
        raise click.UsageError("--training-job goes with --model, whose rules it is held against")
    rules = _configured(session, model, given) if model is not None else _of_options(given)
    configured = session.policy.res.when_too_dear if model is not None else WhenTooDear.REJECT
    too_dear = WhenTooDear(when_too_dear) if when_too_dear is not None else configured
    if training_job is not None:
        verdict = scored_job.judged(session, rules, training_job, given, too_dear)
    else:
        verdict = _of_numbers(rules, given, too_dear)
    code = exit_code(verdict, strict=strict)
    if as_json:
        show.document(verdict_document.document(verdict, rules, code))
    elif as_markdown:
        click.echo(verdict_shown.in_markdown(verdict, rules), nl=False)
    else:
        verdict_shown.show_verdict(verdict, rules)
    if verdict.value is Value.UNJUDGED:
        strictly = "exit code 3, by --strict" if strict else "nothing is rejected; --strict would exit with 3"
        click.echo(f"costwatch: NOT JUDGED: {verdict.reason} ({strictly})", err=True)
    return code


def exit_code(verdict: Verdict, *, strict: bool) -> int:
    if verdict.value is Value.REJECT:
        return REJECTED
    if verdict.value is Value.TOO_DEAR:
        return PENDING if verdict.ask else REJECTED
    return UNKNOWN if strict and verdict.value is Value.UNJUDGED else 0


def _of_options(given: Mapping[str, Any]) -> ModelRules:
    if "direction" not in given:
        raise click.UsageError("--direction is missing: maximize or minimize (or --model NAME)")
    if "also" in given:
        raise click.UsageError("--also goes with --model, whose guardrails it is held against")
    metric = given.get("metric", "metric")
    if not metric.isprintable() or not 0 < len(metric) <= 120 or "@" in metric:
        raise click.UsageError(f"--metric: {metric[:60]!r} is not a metric's name such as auc")
    named = {name: given[name] for name in ("in_service", "min_score", "min_gain") if name in given}
    return ModelRules(
        name="",
        group="",
        metric=metric,
        direction=Direction(given["direction"]),
        gain=GainKind(given.get("gain", GainKind.ABSOLUTE)),
        worth=_worth(given),
        min_gain_per_1000_usd=given.get("min_gain_per_1000_usd"),
        **named,
        **({"standard_errors": given["standard_errors"]} if "standard_errors" in given else {}),
    )


def _worth(given: Mapping[str, Any]) -> Worth | None:
    parts = ("worth_usd", "per", "over")
    there = [name for name in parts if name in given]
    if there and len(there) < len(parts):
        missing = next(name for name in parts if name not in given)
        raise click.UsageError(f"{_option(missing)} is missing: it goes with {_option(there[0])}")
    if not there:
        for name in ("in_service", "min_score"):
            if name in given:
                raise click.UsageError(f"{_option(name)} goes with --worth-usd, --per and --over")
        return None
    if "min_gain_per_1000_usd" in given:
        raise click.UsageError("--min-gain-per-1000-usd is for where there is no --worth-usd: give one of them")
    if not given["worth_usd"]:
        raise click.UsageError("--worth-usd is 0, expected an amount of USD above 0: then nothing would ever pass")
    over: timedelta = given["over"]
    return Worth(given["worth_usd"], given["per"], over)


def _configured(session: Session, model: str, given: Mapping[str, Any]) -> ModelRules:
    beside = [name for name in _RULES if name in given]
    if beside:
        raise click.UsageError(f"{_option(beside[0])}: the configuration says it for --model; give one of them")
    res_policy = session.policy.res
    rules = res_policy.model(model)
    if rules is None:
        known = ", ".join(each.name for each in res_policy.models) or "none"
        raise InputError(f"--model: {model!r} is not under res.models of {session.config_path}, which has {known}")
    return rules


def _of_numbers(rules: ModelRules, given: Mapping[str, Any], when_too_dear: WhenTooDear) -> Verdict:
    """Judge what the options say. Both metrics are the caller's, so they are taken as of the same data."""
    numbers = judged_numbers.told(rules, given)
    verdict = judge(
        numbers.candidate,
        numbers.baseline,
        Cost(given.get("cost_usd"), given.get("gpu_hours"), given.get("all_candidates_usd")),
        rules,
        extra=numbers.extra,
        same_data=True,
        when_too_dear=when_too_dear,
    )
    return _refused(verdict, numbers)


def _refused(verdict: Verdict, numbers: Told) -> Verdict:
    """What is wrong with a number of the caller's is bad input and no verdict. Raises InputError."""
    if verdict.cause is Cause.NO_METRIC and numbers.noise_option:
        raise InputError(f"{numbers.noise_option}: {verdict.reason}")
    return verdict


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
