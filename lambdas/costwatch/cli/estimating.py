"""estimate: what a job will cost, before anybody starts it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
from click.shell_completion import CompletionItem

from costwatch.cli import estimate_document, estimate_shown, known_types, price_source, show
from costwatch.cli.estimate_shown import Verdict
from costwatch.cli.failures import DENIED, UNKNOWN, begun
from costwatch.cli.options import Duration, Usd, as_json
from costwatch.cli.session import Session, Tools
from costwatch.config import regions
from costwatch.core import families
from costwatch.core.estimator import InstanceGroup, JobSpec, Volume
from costwatch.core.families import PastRun
from costwatch.core.money import show_usd
from costwatch.core.policy import PurchaseOption, Service
from costwatch.core.quote import Part, Quote, quote
from costwatch.errors import InputError
from costwatch.intake import job_bodies, pipelines

_SERVICES: Final = {
    "ec2": Service.EC2,
    "sagemaker": Service.TRAINING,
    "training": Service.TRAINING,
    "processing": Service.PROCESSING,
    "tuning": Service.TUNING,
}
_KINDS: Final = {
    Service.EC2: "EC2",
    Service.TRAINING: "Training",
    Service.PROCESSING: "Processing",
    Service.TUNING: "Tuning",
}
_JUDGED: Final = {"expected": "expected_usd", "forecast_p90": "p90_usd", "worst_case": "worst_case_usd"}
_SAID: Final = {"expected": "Expected", "forecast_p90": "The p90", "worst_case": "The worst case"}
_PARAMETER: Final = re.compile(r"(?P<name>[^=]+)=(?P<value>.*)", re.DOTALL)

_OF_A_JOB: Final = (
    "service", "instance_type", "count", "max_runtime", "spot", "prepaid", "volume_gb", "volume_kind", "warm_pool",
    "jobs", "parallel", "total_runtime",
)  # fmt: skip
"""What a file says by itself."""


class _Parameter(click.ParamType[tuple[str, str]]):
    name = "name=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        found = _PARAMETER.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is no parameter; expected NAME=VALUE", param, ctx)
        return found["name"], found["value"]


def _types(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    in_ec2 = ctx.params.get("service") == "ec2"
    return [
        CompletionItem(name) for name in sorted(known_types.known(sagemaker=not in_ec2)) if name.startswith(incomplete)
    ]


@click.command(short_help="What a job or a pipeline will cost, before it runs.")
@click.option("--service", type=click.Choice(list(_SERVICES)), help="Who runs it; sagemaker is a training job.")
@click.option(
    "--instance-type", metavar="TYPE", shell_complete=_types, help="Such as ml.p4d.24xlarge, or p4d.24xlarge on ec2."
)
@click.option("--count", type=int, metavar="N", help="Instances.  [default: 1]")
@click.option("--max-runtime", type=Duration(), help="The most that it may take: 24h, 90m, 2d.")
@click.option("--expected-runtime", type=Duration(), help="What it will take, if you know.  [default: its maximum]")
@click.option("--spot", is_flag=True, default=None, help="Spot instances; managed spot training.")
@click.option(
    "--prepaid", is_flag=True, default=None, help="Capacity Block, training plan: $0 more, with its list value."
)
@click.option("--volume-gb", type=int, metavar="GB", help="Storage attached to each instance.")
@click.option("--volume-kind", metavar="KIND", help="Of EC2's storage.  [default: gp3; SageMaker has gp2 only]")
@click.option("--warm-pool", type=Duration(), help="How long the instances are kept afterwards.")
@click.option("--jobs", type=int, metavar="N", help="Training jobs of a tuning job, in all.  [default: 1]")
@click.option("--parallel", type=int, metavar="N", help="How many of them run at once.  [default: 1]")
@click.option("--total-runtime", type=Duration(), help="The most that a tuning job may take as a whole.")
@click.option(
    "--job", type=click.File("rb"), metavar="FILE", help="A Create...Job request's body; - is standard input."
)
@click.option("--pipeline", type=click.File("rb"), metavar="FILE", help="A SageMaker pipeline's definition.")
@click.option(
    "--parameter", type=_Parameter(), multiple=True, metavar="NAME=VALUE", help="A parameter of the pipeline."
)
@click.option(
    "--past-runs", is_flag=True, help="Expect what past runs of the same family took: asks the deployed ledger."
)
@click.option("--fail-above", type=Usd(), metavar="USD", help="Exit with 4 above this, and with 3 when it is unknown.")
@click.option(
    "--judge-by",
    type=click.Choice(list(_JUDGED)),
    default="forecast_p90",
    show_default=True,
    help="What --fail-above looks at.",
)
@click.option(
    "--config", type=click.Path(path_type=Path), help="The configuration to decide by.  [default: costwatch.yaml]"
)
@click.option("--region", metavar="REGION", help="Where it runs.  [default: the home region, as AWS's settings say it]")
@as_json
@click.option("--markdown", "as_markdown", is_flag=True, help="For a pull request: title, table, prices folded away.")
@click.pass_context
def estimate(
    ctx: click.Context,
    /,
    job: BinaryIO | None,
    pipeline: BinaryIO | None,
    parameter: tuple[tuple[str, str], ...],
    expected_runtime: timedelta | None,
    past_runs: bool,
    fail_above: Decimal | None,
    judge_by: str,
    config: Path | None,
    region: str | None,
    as_json: bool,
    as_markdown: bool,
    **wanted: Any,
) -> int:
    """Say what a job will cost: expected, in nine of ten cases, and at most.

    \b
    costwatch estimate --service ec2 --spot --count 2
      --instance-type p4d.24xlarge --max-runtime 24h
    costwatch estimate --job create-training-job.json
    costwatch estimate --pipeline churn.json --fail-above 400

    Needs no AWS credentials, no configuration and no network, but for --past-runs. Dollars are USD before tax. Exit
    codes: 0, 2 bad input, 3 a price is unknown (what is known is printed all the same), 4 above --fail-above; exactly
    at it passes.
    """
    begun()
    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown are two documents: give one of them")
    tools = ctx.obj if isinstance(ctx.obj, Tools) else None
    session = Session(config=config, else_region=region, tools=tools)
    where = _region(session, region)
    given = {name: value for name, value in wanted.items() if value is not None}
    parts = _parts(where, job, pipeline, dict(parameter), expected_runtime, given)
    if past_runs and job is None and pipeline is None:
        raise click.UsageError("--past-runs goes with --job or --pipeline: only there the job has a name and an image")
    made = _quoted(session, parts, _past_of(session, in_pipeline=pipeline is not None) if past_runs else None)
    verdict = _verdict(made, fail_above, judge_by)
    if as_json:
        show.document(estimate_document.document(made, where))
    elif as_markdown:
        click.echo(estimate_shown.in_markdown(made, where, verdict), nl=False)
    else:
        estimate_shown.show_quote(made, where, verdict)
    return _exit_code(made, verdict)


def _region(session: Session, given: str | None) -> str:
    region = given if given is not None else session.home_regions[0]
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d+", region):
        raise InputError(f"--region: {region!r} is no region; expected one such as us-east-1")
    if unknown := regions.problem(region):
        raise InputError(f"--region: {region!r} {unknown}")
    return region


def _parts(
    region: str,
    job: BinaryIO | None,
    pipeline: BinaryIO | None,
    parameters: Mapping[str, str],
    expected_runtime: timedelta | None,
    given: Mapping[str, Any],
) -> tuple[Part, ...]:
    files = [name for name, file in (("--job", job), ("--pipeline", pipeline)) if file is not None]
    if len(files) > 1:
        raise click.UsageError("--job and --pipeline: give one of them")
    beside = [f"--{name.replace('_', '-')}" for name in _OF_A_JOB if name in given]
    if files and beside:
        raise click.UsageError(f"{beside[0]}: the file of {files[0]} says it; give one of them")
    if parameters and pipeline is None:
        raise click.UsageError("--parameter goes with --pipeline")
    if pipeline is not None:
        if expected_runtime is not None:
            raise click.UsageError("--expected-runtime is of one job; a pipeline has several")
        parts = pipelines.steps_of(_body(pipeline), region, parameters)
    elif job is not None:
        part = job_bodies.job_of(_body(job), region)
        parts = (replace(part, choices=tuple(replace(s, expected_runtime=expected_runtime) for s in part.choices)),)
    else:
        parts = (_of_options(region, expected_runtime, given),)
    for spec in (spec for part in parts for spec in part.choices):
        for group in spec.groups:
            if wrong := known_types.problem(group.instance_type, sagemaker=spec.service.is_sagemaker):
                raise InputError(f"instance_type: {wrong}")
    return parts


def _body(file: BinaryIO) -> Mapping[str, Any]:
    name = str(getattr(file, "name", "-"))
    name = "standard input" if name in ("<stdin>", "-") else name
    return job_bodies.parsed(file.read(job_bodies.LARGEST_BYTES + 1), name)


def _of_options(region: str, expected_runtime: timedelta | None, given: Mapping[str, Any]) -> Part:
    for name in ("service", "instance_type", "max_runtime"):
        if name not in given:
            raise click.UsageError(f"--{name.replace('_', '-')} is missing (or --job FILE, or --pipeline FILE)")
    service = _SERVICES[given["service"]]
    if given.get("spot") and given.get("prepaid"):
        raise click.UsageError("--spot and --prepaid: give one of them")
    if "volume_kind" in given and "volume_gb" not in given:
        raise click.UsageError("--volume-kind goes with --volume-gb")
    purchase = PurchaseOption.CAPACITY_BLOCK if given.get("prepaid") else PurchaseOption.ON_DEMAND
    kind = given.get("volume_kind", "gp3" if service is Service.EC2 else "gp2")
    spec = JobSpec(
        service=service,
        region=region,
        groups=(InstanceGroup(given["instance_type"], given.get("count", 1)),),
        max_runtime=given["max_runtime"],
        purchase=PurchaseOption.SPOT if given.get("spot") else purchase,
        expected_runtime=expected_runtime,
        volume=Volume(given["volume_gb"], kind) if "volume_gb" in given else None,
        warm_pool=given.get("warm_pool", timedelta(0)),
        jobs=given.get("jobs", 1),
        parallel=given.get("parallel", 1),
        total_runtime=given.get("total_runtime"),
    )
    name = "EC2 instances" if service is Service.EC2 else f"{service.value} job"
    return Part(name, _KINDS[service], (spec,))


def _quoted(session: Session, parts: Sequence[Part], past: Callable[[Part], Sequence[PastRun]] | None) -> Quote:
    prices = price_source.prices_for(session, session.now())
    return quote(parts, prices, past) if past is not None else quote(parts, prices)


def _past_of(session: Session, *, in_pipeline: bool) -> Callable[[Part], Sequence[PastRun]]:
    """Earlier runs of a part's family, as the deployed ledger remembers them."""
    ledger, account = session.ledger(), session.caller.account

    def past(part: Part) -> Sequence[PastRun]:
        types = {group.instance_type for spec in part.choices for group in spec.groups}
        name = families.of_step(part.name) if in_pipeline else part.name
        return ledger.past_runs(account, families.family(name, part.image, types))

    return past


def _verdict(made: Quote, limit: Decimal | None, judge_by: str) -> Verdict | None:
    if limit is None:
        return None
    amount = getattr(made, _JUDGED[judge_by])
    said = _SAID[judge_by]
    if amount is None:
        return Verdict(UNKNOWN, f"{said} is unknown, so nobody can say whether it is above {show_usd(limit)}")
    if amount > limit:
        # Both may be the same to the cent.
        exactly = "" if show_usd(amount) != show_usd(limit) else f" by ${amount - limit:f}"
        return Verdict(DENIED, f"{said}, {show_usd(amount)}, is above {show_usd(limit)}{exactly}")
    return Verdict(0, f"{said}, {show_usd(amount)}, is not above {show_usd(limit)}")


def _exit_code(made: Quote, verdict: Verdict | None) -> int:
    """With a limit it alone decides: what it looks at may be known where something else is not."""
    if verdict is not None and verdict.exit_code:
        click.echo(f"costwatch: {verdict.sentence}", err=True)
    if verdict is not None:
        return verdict.exit_code
    if not made.unpriced:
        return 0
    for each in made.unpriced:
        show.note(f"no known price: {each}{_hint(made, each)}")
    return UNKNOWN


def _hint(made: Quote, unpriced: str) -> str:
    """What may have been meant by a type that nobody here has heard of."""
    for priced in made.parts:
        for group in priced.estimate.spec.groups if priced.estimate is not None else ():
            if unpriced.startswith(f"{group.instance_type} "):
                return known_types.hint(group.instance_type, sagemaker=group.instance_type.startswith("ml."))
    return ""
