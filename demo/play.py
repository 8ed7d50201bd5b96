"""What a scene works with: it lets time pass and tells what happened, from the ledger and from Slack."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime
from pathlib import Path
from typing import Any

from costwatch import topology
from costwatch.cli.main import main as costwatch
from costwatch.cli.session import Tools
from costwatch.core import durations
from demo import recorder
from demo.cast import Cast, at
from demo.end_state import Reader, Row, kind_of
from demo.stage import Invocation, Stage
from demo.stage_functions import environment
from demo.telling import Teller


class Play:
    """One performance: stage, cast, and the teller."""

    def __init__(self, stage: Stage, cast: Cast, teller: Teller) -> None:
        self.stage = stage
        self.cast = cast
        self.tell = teller
        self.reader = Reader(stage, cast)
        self._quiet: list[datetime] = []
        self._keys: dict[str, str] = {}

    def until(self, clock: str, *, about: Collection[str], cards: Collection[tuple[str, str]] = ()) -> None:
        """Let time pass up to `clock` (`19:10`). `about`: the scene's own actors.

        `cards`: (actor, kind) whose first card is shown whole; of other messages about the scene only the push text.
        """
        self._until(at(clock), about, cards)

    def on(self, duration: str, *, about: Collection[str], cards: Collection[tuple[str, str]] = ()) -> None:
        """The same for so long, such as `10 min`."""
        self._until(self.stage.clock() + durations.parse(duration.replace(" ", "").replace("min", "m")), about, cards)

    def _until(self, moment: datetime, about: Collection[str], cards: Collection[tuple[str, str]]) -> None:
        wanted = set(cards)
        for invocation in self.stage.run_until(moment):
            self._told(invocation, about, wanted)
        self._flush_quiet()

    def recall(self, name: str, kind: str, *, whole: bool = False) -> None:
        """Show a message that came in an earlier scene, with the time it came."""
        for message in self.stage.slack.messages:
            if kind_of(message.text, name) == kind:
                to = message.to or message.channel
                self.tell.sweep(f"{message.at:%H:%M}", f"what was said about {name} then:")
                if whole:
                    self.tell.card(to, self.stage.slack.render(message))
                else:
                    self.tell.message(to, message.text)
                return

    def instance_state(self, name: str) -> str:
        """As EC2 describes it now."""
        answer = self.stage.aws.client("ec2").describe_instances(InstanceIds=[self.cast[name].id])
        return str(answer["Reservations"][0]["Instances"][0]["State"]["Name"])

    def deliver(self, event: dict[str, Any], about: Collection[str]) -> list[Invocation]:
        """Put an event on the bus."""
        done = list(self.stage.deliver(event))
        for each in done:
            self._told(each, about, set())
        return done

    def click(
        self, who: str, name: str, kind: str, action: str, inputs: Mapping[str, str] | None = None, *, presses: int = 1
    ) -> None:
        """Press a button of the newest card of `kind` about `name`, and confirm, as a person does in Slack."""
        found = [each for each in self.stage.slack.messages if kind_of(each.text, name) == kind]
        if not found:
            self.tell.say(f"There is no such card: {kind} of {name}.")
            return
        private = len(self.stage.slack.ephemerals)
        delivered = [self.stage.slack.click(found[-1], action, user=who, inputs=inputs) for _press in range(presses)]
        label = str(delivered[0].payload["actions"][0]["text"]["text"])
        self.tell.click(who, label, name, times=presses)
        for invocation in self.stage.take_clicks():
            self.clicked(invocation, [name])
        for message in self.stage.slack.ephemerals[private:]:
            self.tell.message(f"to {who} alone", message.text)

    def clicked(self, invocation: Invocation, about: Collection[str]) -> None:
        """What a click came to."""
        self._told(invocation, about, set())

    def history(self, name: str) -> list[Row]:
        """Everything the ledger has about a run so far."""
        return [row for row in self.reader.timeline() if row.name == name]

    def command(self, who: str, *words: str, config: Path | None = None) -> int:
        """Run the real command line as a person, in this process; returns its exit code."""
        output = io.StringIO()
        code = 0
        identity = {**self.stage.aws.environment(), **self._access_key(who), "COLUMNS": "100", "NO_COLOR": "1"}
        with (
            environment(identity),
            recorder.acting_as(recorder.OPERATOR),
            redirect_stdout(output),
            redirect_stderr(output),
        ):
            try:
                costwatch(
                    args=[*words, *(["--config", str(config)] if config else [])],
                    obj=Tools(clock=self.stage.clock, clients={"lambda": self.stage}),
                    prog_name="costwatch",
                )
            except SystemExit as ended:
                code = int(ended.code or 0)
        shown = ["costwatch", *words, *(["--config", f"demo/{config.name}"] if config else [])]
        self.tell.command(who, " ".join(shown), output.getvalue().rstrip().splitlines())
        self.reader.new_rows()  # the command has just told them
        return code

    def _access_key(self, who: str) -> dict[str, str]:
        """The person's own key: the ledger records who it was by what STS says."""
        if who not in self._keys:
            iam = self.stage.aws.client("iam")
            iam.create_user(UserName=who)
            made = iam.create_access_key(UserName=who)["AccessKey"]
            self._keys[who] = f"{made['AccessKeyId']} {made['SecretAccessKey']}"
        key, secret = self._keys[who].split()
        return {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}

    # --- telling ----------------------------------------------------------------------------------------

    def _told(self, invocation: Invocation, about: Collection[str], wanted: set[tuple[str, str]]) -> None:
        rows = [row for row in self.reader.new_rows() if not row.quiet]
        messages = self.reader.new_messages()
        if not rows and not messages and not invocation.error and "refused" not in invocation.result:
            if invocation.rule == "sweep":
                self._quiet.append(invocation.at)
            return
        self._flush_quiet()
        self.tell.sweep(f"{invocation.at:%H:%M}", _headline(invocation))
        own_first = sorted(dict.fromkeys(row.name for row in rows), key=lambda name: name not in about)
        for name in own_first:
            self.tell.happened(name, [row for row in rows if row.name == name], own=name in about)
        for message in messages:
            self._said(message, about, wanted)

    def _said(self, message: Any, about: Collection[str], wanted: set[tuple[str, str]]) -> None:
        to = message.to or self.reader.channel_of(message)
        for name in about:
            kind = kind_of(message.text, name)
            if (name, kind) in wanted:
                wanted.discard((name, kind))
                self.tell.card(to, self.stage.slack.render(message))
                return
            if kind:
                self.tell.message(to, message.text)
                return
        if not self.cast.is_about(message.text):
            self.tell.message(to, message.text, own=False)

    def _flush_quiet(self) -> None:
        if not self._quiet:
            return
        first, last, count = self._quiet[0], self._quiet[-1], len(self._quiet)
        when = f"{first:%H:%M}" if count == 1 else f"{first:%H:%M}-{last:%H:%M}"
        self.tell.sweep(when, "sweep: nothing to do" if count == 1 else f"{count} sweeps: nothing to do")
        self._quiet.clear()


def _headline(invocation: Invocation) -> str:
    if invocation.error:
        return f"{invocation.rule}: {invocation.function} failed, the event is a dead letter: {invocation.error}"
    result = invocation.result
    if "refused" in result:
        return f"{invocation.function} refused the event: {result['refused']}"
    if invocation.function == topology.GATE.name:
        return "a pipeline's callback step asks the gate function"
    if invocation.function == topology.CLICKS.name:
        return "through the door and over the bus: the clicks function looks who it was and what they may"
    if invocation.rule != "sweep":
        return f"event {invocation.rule}: the {invocation.function} function looks at the run now"
    parts = [f"{result['watched']} runs watched"]
    parts += [f"{result[key]} {word}" for key, word in (("stopped", "stopped"), ("held", "held")) if result[key]]
    return "sweep: " + ", ".join(parts)


def ago(start: datetime, now: datetime) -> str:
    """`11 h`, `3 d`."""
    elapsed = now - start
    return f"{elapsed.days} d" if elapsed.days >= 3 else durations.show(elapsed)
