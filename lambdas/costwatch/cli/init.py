"""init: a costwatch.yaml of a few answers, whose defaults are what AWS says."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

import costwatch
from costwatch import names
from costwatch.cli import init_learning, kept_files, show, storing
from costwatch.cli.failures import DENIED, begun
from costwatch.cli.init_answers import (
    ACCOUNT,
    ADDRESSES,
    ANY,
    APPROVERS,
    CHANNEL,
    DURATION,
    MODE,
    REGIONS,
    TIMEZONE,
    USD,
)
from costwatch.cli.init_text import MODES, Answers, Learned, render
from costwatch.cli.options import NewFile, as_argument
from costwatch.cli.session import DEFAULT_CONFIG, Tools
from costwatch.config import fields
from costwatch.config.loader import load
from costwatch.errors import ConfigError, InputError

_FALLBACK_REGION: Final = "us-east-1"
_CLONE: Final = Path(costwatch.__file__).resolve().parents[2]


_Answer = TypeVar("_Answer")


@click.command(short_help="Write a costwatch.yaml: questions with defaults from your account.")
@click.argument("file", metavar="[FILE]", type=NewFile(), default=DEFAULT_CONFIG)
@click.option("--yes", is_flag=True, help="Ask nothing: take the options given and the defaults for the rest.")
@click.option("--offline", is_flag=True, help="Ask AWS nothing either: general defaults.")
@click.option("--account", type=ACCOUNT, help="The only account to deploy into, or `any`.  [default: yours]")
@click.option("--regions", metavar="A,B", type=REGIONS, help="Watched.  [default: where something runs]")
@click.option("--timezone", metavar="ZONE", type=TIMEZONE, help="For people.  [default: of TZ, else UTC]")
@click.option("--channel", metavar="'#NAME'", type=CHANNEL, help="Slack channel of the platform team; empty: none.")
@click.option("--email", metavar="A,B", type=ADDRESSES, help="Who gets alarms, and notices without Slack.")
@click.option("--mode", type=MODE, help="What to begin with.  [default: observe]")
@click.option("--max-runtime", metavar="12h", type=DURATION, help="How long a run may take.  [default: by history]")
@click.option("--above-usd", metavar="USD", type=USD, help="Dearer is asked about.  [default: by history]")
@click.option("--approvers", metavar="A,B", type=APPROVERS, help="Who may say yes: Slack ids, @groups, IAM ARNs.")
@click.pass_context
def init(ctx: click.Context, /, file: Path, yes: bool, offline: bool, **given: str | None) -> int:
    """Write FILE (default: costwatch.yaml), commented and such that check-config accepts it.

    The questions' defaults come from your account: what `costwatch scan` finds, and from `costwatch preview` the limits
    and thresholds that fit the last 30 days. Only Describe, List and Get calls are made; without credentials or network
    the defaults are general ones. A file that is there is asked about first, and kept beside the new one.
    """
    begun()
    if file.exists() and not yes and not _may_replace(file):
        show.note(f"{file} stays as it is")
        return DENIED
    tools = ctx.obj if isinstance(ctx.obj, Tools) else Tools()
    learned = Learned() if offline else init_learning.learn(tools, _parts(given["regions"]))
    answers = _answers(given, learned, tools, ask=not yes)
    text = render(answers, learned, tools.clock())
    warnings: list[str] = []
    backup = kept_files.write(file, text, lambda partial: warnings.extend(_checked(partial, file)))
    if backup is not None:
        show.note(f"what {file} was is kept as {backup}")
    for warning in warnings:
        show.say(show.console(stderr=True), f"warning: {warning}")
    _next(file, answers)
    return 0


def _may_replace(file: Path) -> bool:
    return _asked(lambda: click.confirm(f"{file} is there. Write it anew, with nothing of it? The old one is kept"))


def _asked(ask: Callable[[], _Answer]) -> _Answer:
    """Raises InputError where nobody answers: input is closed, or was piped in and has ended."""
    try:
        if sys.stdin is not None:
            return ask()
    except click.Abort:
        if sys.stdin.isatty():
            raise  # somebody is there, and does not want to go on
    raise InputError("nobody can answer here: give --yes, and an option for each answer that is not to be the default")


def _answers(given: dict[str, str | None], learned: Learned, tools: Tools, *, ask: bool) -> Answers:
    def answer(name: str, question: str, default: str, kind: click.ParamType[Any]) -> str:
        said = given[name]
        if said is not None:
            return said
        if not ask:
            return default
        return str(_asked(lambda: click.prompt(question, default=default, type=kind, show_default=bool(default))))

    found = learned.fitted
    named = tools.environ.get("AWS_REGION") or tools.environ.get("AWS_DEFAULT_REGION") or _FALLBACK_REGION
    regions = ",".join(found.regions) if found is not None else named
    zone = tools.environ.get("TZ", "")
    account = learned.account or (ANY if ask else "")
    return Answers(
        account=answer("account", "Account to deploy into, or any", account, ACCOUNT),
        regions=_parts(answer("regions", "Regions to watch, the home region first", regions, REGIONS)),
        timezone=answer("timezone", "Time zone of the people who read", zone if _is_zone(zone) else "UTC", TIMEZONE),
        platform_channel=answer("channel", "Slack channel such as #ml-platform (empty: no Slack)", "", CHANNEL),
        email=_parts(answer("email", "E-mail addresses for alarms (empty: none)", "", ADDRESSES)),
        mode=answer(
            "mode", "Begin by noting what would happen (observe), or by telling people too (warn)", MODES[0], MODE
        ),
        max_runtime=answer(
            "max_runtime", "How long may a run take: an instance, a group or a job", learned.max_runtime, DURATION
        ),
        above_usd=answer("above_usd", "Ask somebody before a job that costs more than, in USD", learned.above_usd, USD),
        approvers=_parts(
            answer(
                "approvers",
                "Who may approve such a job: Slack ids, @groups, IAM ARNs (empty: nobody yet)",
                "",
                APPROVERS,
            )
        ),
    )


def _parts(written: str | None) -> tuple[str, ...]:
    return tuple(part for part in (written or "").split(",") if part)


def _is_zone(name: str) -> bool:
    try:
        fields.timezone(name)
    except ValueError:
        return False
    return True


def _checked(partial: Path, file: Path) -> tuple[str, ...]:
    """What check-config warns of. Raises ConfigError, by key: the lines are of no file that anybody has."""
    try:
        return tuple(warning.replace(str(partial), str(file)) for warning in load(partial).warnings)
    except ConfigError as error:
        told = re.sub(rf"^{re.escape(str(partial))}:\d+: ", "", str(error), flags=re.MULTILINE)
        raise ConfigError(f"these answers do not fit together, and nothing was written:\n{told}") from error


def _next(file: Path, answers: Answers) -> None:
    out = show.console()
    named = "" if file == DEFAULT_CONFIG else as_argument(file)
    show.say(out, f"{file} is written. Next:", style="bold")
    show.command(out, f"costwatch check-config {named}".rstrip(), indent=2)
    show.command(out, f"{_make('bootstrap', file)}   # once per account and region", indent=2)
    show.command(out, _make("deploy", file), indent=2)
    if answers.platform_channel:
        show.say(out, "Slack: create the app at https://api.slack.com/apps from what the first of these prints;")
        show.say(
            out, "install it, and store its token (xoxb-...) and its signing secret, one at a time: each of the two"
        )
        show.say(out, "waits until you paste it, and shows nothing.")
        show.command(out, "costwatch slack-manifest > manifest.yaml", indent=2)
        for parameter in (names.DEFAULT_SLACK_TOKEN_PARAMETER, names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER):
            show.command(out, storing.command(parameter, answers.regions[0]), indent=2)
    show.say(out, "Then see whether all is well:")
    show.command(out, f"costwatch doctor{f' --config {named}' if named else ''}", indent=2)


def _make(target: str, file: Path) -> str:
    """The Makefile lies in the clone that this command was installed from, wherever one stands."""
    here = Path.cwd() == _CLONE or not (_CLONE / "Makefile").is_file()
    where = "" if here else f" -C {as_argument(_CLONE)}"
    config = file if here else file.absolute()
    if config == DEFAULT_CONFIG:
        return f"make{where} {target}"
    return f"make{where} {target} CONFIG={as_argument(Path(str(config).replace('$', '$$')))}"  # a $ is make's own
