"""guardrail-policy: a policy that refuses jobs without a bound before they start, made of the configuration."""

from __future__ import annotations

import re
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any, Final

import click

from costwatch.cli import guardrail_document, show
from costwatch.cli.guardrail_document import ACTIONS, LONGEST, Explained, Format, Guardrail
from costwatch.cli.options import Duration, with_session
from costwatch.cli.session import Session
from costwatch.config import fields
from costwatch.core import accelerators, durations
from costwatch.errors import InputError

_ACCELERATORS: Final = "accelerators"
_PRINCIPAL: Final = re.compile(r"arn:aws[a-z-]*:iam::([0-9]{12}|\*):(role|user)/[\w+=,.@/*?-]{1,512}")
_SESSION: Final = re.compile(r"(arn:aws[a-z-]*):sts::([0-9]{12}):assumed-role/([\w+=,.@-]+)/.*")
_EVERYBODY: Final = re.compile(r"[*?/]+")
_OF_ALL_KINDS: Final = ("ml.t3.medium", "ml.m5.large", "ml.c7i.metal", "ml.p4d.24xlarge", "ml.trn1n.32xlarge")
"""What fits all of these was not written for any of them."""


class _Types(click.ParamType[tuple[str, ...]]):
    """`ml.g5.*,ml.m5.xlarge`: SageMaker types with commas between them; `accelerators` stands for all that have one."""

    name = "types"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        found: list[str] = []
        for word in (word.strip() for word in str(value).split(",")):
            if not word:
                self.fail("an entry names no type: there is nothing between two commas, or beside one", param, ctx)
            if word == _ACCELERATORS:
                found += [f"ml.{wildcard}" for wildcard in accelerators.WILDCARDS]
                continue
            try:
                found.append(fields.job_type(word))
            except ValueError as error:
                self.fail(str(error), param, ctx)
        return tuple(dict.fromkeys(found))


class _OnlyTypes(_Types):
    """The same, where a type that fits all would mean none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        found = super().convert(value, param, ctx)
        for word in found:
            if all(fnmatchcase(each, word) for each in _OF_ALL_KINDS):
                self.fail(f"{word!r} allows every type: leave --types out, or name those that may be used", param, ctx)
        return found


class _Principal(click.ParamType[str]):
    """The ARN of a role or user, wildcards allowed."""

    name = "arn"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        expected = "the ARN of a role such as arn:aws:iam::111122223333:role/GatedTraining; * may stand in it"
        if session := _SESSION.fullmatch(str(value)):
            role = f"{session[1]}:iam::{session[2]}:role/{session[3]}"
            self.fail(f"{value!r} is a session; expected its role, which is {role} if it has no path", param, ctx)
        if not _PRINCIPAL.fullmatch(str(value)):
            self.fail(f"{value!r} is not {expected}", param, ctx)
        if _EVERYBODY.fullmatch(str(value).partition("/")[2]):
            self.fail(f"{value!r} spares everybody, and refuses nothing; expected {expected}", param, ctx)
        return str(value)


@click.command("guardrail-policy", short_help="Print a policy that refuses unbounded jobs.")
@click.option(
    "--format",
    "form",
    type=click.Choice([each.value for each in Format]),
    default=Format.IAM.value,
    show_default=True,
    help="iam: a managed policy; scp: for an organisation.",
)
@click.option(
    "--max-runtime",
    type=Duration(),
    help="The most a job may declare.  [default: the hard cap of its kind in the configuration]",
)
@click.option(
    "--types", type=_OnlyTypes(), default=(), help="The only types that may be used, such as ml.g5.*,ml.m5.*."
)
@click.option(
    "--require-approval-tag-for",
    "approval_types",
    type=_Types(),
    default=(),
    help="Types that need the approval tag; `accelerators` for all that have one.",
)
@click.option("--exempt-role", "exempt", type=_Principal(), multiple=True, help="Whom it spares; may be repeated.")
@click.option("--deny-automl", is_flag=True, help="Refuse AutoML jobs, which no policy can bound.")
@with_session
def guardrail_policy(
    session: Session,
    form: str,
    max_runtime: timedelta | None,
    types: tuple[str, ...],
    approval_types: tuple[str, ...],
    exempt: tuple[str, ...],
    deny_automl: bool,
) -> None:
    """Print an IAM policy, or a service control policy, that refuses SageMaker jobs before they cost anything.

    Training, tuning and processing jobs must declare a maximum runtime within the bound; with --types they may use
    no other types, with --require-approval-tag-for some need the approval tag. It only denies, so that it can be
    attached beside others. The policy goes to standard output, and what it does and cannot do to standard error.
    """
    if max_runtime is not None and max_runtime > LONGEST:
        raise InputError(f"--max-runtime {durations.short(max_runtime)} is more than SageMaker ever gives a job: 28d")
    policy = session.policy
    guardrail = Guardrail(
        bounds=dict.fromkeys(ACTIONS, max_runtime) if max_runtime else guardrail_document.bounds_of(policy),
        types=types,
        approval_types=approval_types,
        approval_tag=policy.tags.approval,
        exempt=exempt,
        refuse_unbounded=deny_automl,
    )
    made = guardrail_document.statements(guardrail)
    wanted = Format(form)
    document = guardrail_document.document(made)
    text = guardrail_document.written(document, wanted)
    click.echo(text)
    _explain(guardrail, made, wanted, guardrail_document.size_of(document) if wanted is Format.IAM else len(text))


def _explain(guardrail: Guardrail, made: list[Explained], form: Format, size: int) -> None:
    out = show.console(stderr=True)
    for each in made:
        show.say(out, f"{each.sid}: {each.does}.")
    if guardrail.exempt:
        show.say(out, f"It spares {', '.join(guardrail.exempt)}.")
    for sentence in _cannot(guardrail, form):
        show.note(sentence)
    show.say(out, f"{size:,} of {form.most_characters:,} characters.")


def _cannot(guardrail: Guardrail, form: Format) -> list[str]:
    """What the reader must not take it for."""
    told = ["it bounds time and types, not dollars or counts: how many instances and jobs there are, no key says"]
    if guardrail.approval_types:
        told.append(
            "the tag alone proves nothing, since whoever may start a job may write it: what a job may cost is "
            "checked when it starts, against the approval that the tag names"
        )
    if not guardrail.refuse_unbounded:
        told.append("AutoML jobs pass, because no key knows their runtime or types: --deny-automl refuses them")
    told.append(
        "transform jobs, monitoring schedules, notebooks, endpoints, clusters and EC2 instances are not its subject"
    )
    if form is Format.SCP:
        told.append("a service control policy binds neither the management account nor service-linked roles")
    else:
        told.append("it binds whom it is attached to: attach it to the roles of pipelines and notebooks too")
    return told
