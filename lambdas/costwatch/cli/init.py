"""init: a costwatch.yaml of a few answers, whose defaults are what AWS says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from costwatch import names
from costwatch.cli import init_learning, kept_files, show
from costwatch.cli.failures import DENIED, begun
from costwatch.cli.init_text import MODES, Answers, Learned, render
from costwatch.cli.session import DEFAULT_CONFIG, Tools
from costwatch.config import fields
from costwatch.config.loader import load
from costwatch.errors import ConfigError, InputError

_FALLBACK_REGION: Final = "us-east-1"


class Field(click.ParamType[str]):
    """Text as the configuration takes it; `read` raises ValueError for what it does not."""

    def __init__(self, name: str, read: Callable[[object], object]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        written = str(value).strip()
        try:
            if written:
                self._read(written)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return written


class Several(Field):
    """The same for several with commas between them. Empty: none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        parts = [part.strip() for part in str(value).split(",") if part.strip()]
        return ",".join(dict.fromkeys(super(Several, self).convert(part, param, ctx) for part in parts))


_ACCOUNT: Final = Field("account", fields.account)
_ADDRESSES: Final = Several("address", fields.address)
_APPROVERS: Final = Several("approver", fields.approver)
_CHANNEL: Final = Field("channel", fields.channel)
_DURATION: Final = Field("duration", fields.max_runtime)
_MODE: Final = click.Choice(MODES)
_REGIONS: Final = Several("region", fields.region)
_TIMEZONE: Final = Field("timezone", fields.timezone)
_USD: Final = Field("usd", fields.usd)


@click.command(short_help="Write a costwatch.yaml: questions with defaults from your account.")
@click.argument("file", metavar="[FILE]", type=click.Path(path_type=Path), default=DEFAULT_CONFIG)
@click.option("--yes", is_flag=True, help="Ask nothing: take the options given and the defaults for the rest.")
@click.option("--offline", is_flag=True, help="Ask AWS nothing either: general defaults.")
@click.option("--account", type=_ACCOUNT, help="The only account to deploy into; empty: any.  [default: yours]")
@click.option("--regions", metavar="A,B", type=_REGIONS, help="Watched.  [default: where something runs]")
@click.option("--timezone", metavar="ZONE", type=_TIMEZONE, help="For people.  [default: of TZ, else UTC]")
@click.option("--channel", metavar="'#NAME'", type=_CHANNEL, help="Slack channel of the platform team; empty: none.")
@click.option("--email", metavar="A,B", type=_ADDRESSES, help="Who gets alarms, and notices without Slack.")
@click.option("--mode", type=_MODE, help="What to begin with.  [default: observe]")
@click.option("--max-runtime", metavar="12h", type=_DURATION, help="How long a run may take.  [default: by history]")
@click.option("--above-usd", metavar="USD", type=_USD, help="Dearer is asked about.  [default: by history]")
@click.option("--approvers", metavar="A,B", type=_APPROVERS, help="Who may say yes: Slack ids, @groups, IAM ARNs.")
@click.pass_context
def init(ctx: click.Context, /, file: Path, yes: bool, offline: bool, **given: str | None) -> int:
    """Write FILE (default: costwatch.yaml), commented and such that check-config accepts it.

    The questions' defaults come from your account: what `costwatch scan` finds, and from `costwatch preview` the limits
    and thresholds that fit the last 30 days. Only Describe, List and Get calls are made; without credentials or network
    the defaults are general ones. A file that is there is asked about first, and kept beside the new one.
    """
    begun()
    _require_place(file)
    if file.exists() and not yes and not click.confirm(f"{file} is there. Write it anew? The old one is kept"):
        show.note(f"{file} stays as it is")
        return DENIED
    tools = ctx.obj if isinstance(ctx.obj, Tools) else Tools()
    learned = Learned() if offline else init_learning.learn(tools, _parts(given["regions"]))
    answers = _answers(given, learned, tools, ask=not yes)
    text = render(answers, learned, tools.clock())
    backup = kept_files.write(file, text, lambda partial: _require_valid(partial, file))
    if backup is not None:
        show.note(f"what {file} was is kept as {backup}")
    _next(file, answers)
    return 0


def _require_place(file: Path) -> None:
    if file.is_dir():
        raise InputError(f"{file} is a directory; expected a file such as costwatch.yaml")
    if not file.absolute().parent.is_dir():
        raise InputError(f"{file.parent} is no directory")


def _answers(given: dict[str, str | None], learned: Learned, tools: Tools, *, ask: bool) -> Answers:
    def answer(name: str, question: str, default: str, kind: click.ParamType[Any]) -> str:
        said = given[name]
        if said is not None:
            return said
        if not ask:
            return default
        return str(click.prompt(question, default=default, type=kind, show_default=bool(default)))

    found = learned.fitted
    named = tools.environ.get("AWS_REGION") or tools.environ.get("AWS_DEFAULT_REGION") or _FALLBACK_REGION
    regions = ",".join(found.regions) if found is not None else named
    zone = tools.environ.get("TZ", "")
    return Answers(
        account=answer("account", "Account to deploy into (empty: any)", learned.account, _ACCOUNT),
        regions=_parts(answer("regions", "Regions to watch, the home region first", regions, _REGIONS)),
        timezone=answer("timezone", "Time zone of the people who read", zone if _is_zone(zone) else "UTC", _TIMEZONE),
        platform_channel=answer("channel", "Slack channel such as #ml-platform (empty: no Slack)", "", _CHANNEL),
        email=_parts(answer("email", "E-mail addresses for alarms (empty: none)", "", _ADDRESSES)),
        mode=answer("mode", "Mode to begin with", MODES[0], _MODE),
        max_runtime=answer("max_runtime", "How long may a run take", learned.max_runtime, _DURATION),
        above_usd=answer("above_usd", "Ask before a job above, in USD", learned.above_usd, _USD),
        approvers=_parts(answer("approvers", "Who may say yes (empty: nobody yet)", "", _APPROVERS)),
    )


def _parts(written: str | None) -> tuple[str, ...]:
    return tuple(part for part in (written or "").split(",") if part)


def _is_zone(name: str) -> bool:
    try:
        fields.timezone(name)
    except ValueError:
        return False
    return True


def _require_valid(partial: Path, file: Path) -> None:
    try:
        load(partial)
    except ConfigError as error:
        told = str(error).replace(str(partial), str(file))
        raise ConfigError(f"these answers do not fit together, and nothing was written:\n{told}") from error


def _next(file: Path, answers: Answers) -> None:
    out = show.console()
    option = "" if file == DEFAULT_CONFIG else f" {file}"
    show.say(out, f"{file} is written. Next:", style="bold")
    config = f" CONFIG={file}" if option else ""
    show.say(out, f"costwatch check-config{option}", indent=2)
    show.say(out, f"make bootstrap{config}   # once per account and region", indent=2)
    show.say(out, f"make deploy{config}", indent=2)
    if answers.platform_channel:
        region = f"--region {answers.regions[0]} --type SecureString --value"
        show.say(out, "Slack: create the app at https://api.slack.com/apps from what the first of these prints;")
        show.say(out, "install it, and store its token and its signing secret:")
        show.say(out, "costwatch slack-manifest > manifest.yaml", indent=2)
        show.say(out, f"aws ssm put-parameter --name {names.DEFAULT_SLACK_TOKEN_PARAMETER} {region} xoxb-...", indent=2)
        secret = names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER
        show.say(out, f"aws ssm put-parameter --name {secret} {region} ...", indent=2)
    show.say(out, "Then see whether all is well:")
    show.say(out, f"costwatch doctor{' --config ' + str(file) if option else ''}", indent=2)
