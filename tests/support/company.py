"""A company that uses Costwatch: what the documentation's pages speak of is there, under the names they use.

The deployed functions themselves made all of it, over an embedded AWS and Slack, in tests/support/company_life.py.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
from click.testing import CliRunner, Result

from costwatch import names
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from demo import recorder
from demo.embedded import EmbeddedAws
from demo.stage import Stage
from demo.stage_functions import environment


class _Typed(io.BytesIO):
    """What somebody types at a terminal. None: there is no terminal."""

    def __init__(self, text: str | None) -> None:
        super().__init__((text or "").encode())
        self._typed = text is not None

    def isatty(self) -> bool:
        return self._typed


@dataclass
class Company:
    """`desk` is where people type commands: their costwatch.yaml and what else the pages name lies there."""

    stage: Stage
    desk: Path
    clients: dict[str, Any] = field(default_factory=dict)
    _keys: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _sessions: dict[str, boto3.session.Session] = field(default_factory=dict)
    """They read botocore's models once."""

    @property
    def aws(self) -> EmbeddedAws:
        return self.stage.aws

    # --- at the command line ---------------------------------------------------------------------------------

    def costwatch(
        self,
        *words: str,
        who: str = "maria",
        answers: str | None = None,
        sleep: Callable[[float], object] = lambda seconds: None,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run the real command line at the desk, in this process. `answers` are typed where it asks; None: nobody sits
        there."""
        width = {"COLUMNS": "100", "NO_COLOR": "1"}
        with environment(self.variables(who)), recorder.acting_as(_role(words)), chdir(self.desk), _logging_elsewhere():
            session = self._sessions.setdefault(who, boto3.session.Session())
            clients = {"lambda": self.stage, **self.clients}
            tools = Tools(clock=self.stage.clock, sleep=sleep, clients=clients, boto=session)
            return CliRunner().invoke(
                main, list(words), obj=tools, input=_Typed(answers), env={**width, **(env or {})}, prog_name="costwatch"
            )

    def variables(self, who: str) -> dict[str, str]:
        """The environment of a person's processes: this AWS, with their own key, and this Slack."""
        if who not in self._keys:
            iam = self.aws.client("iam")
            iam.create_user(UserName=who)
            made = iam.create_access_key(UserName=who)["AccessKey"]
            self._keys[who] = {
                "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
            }
        return {
            **self.aws.environment(),
            **self._keys[who],
            names.ENV_SLACK_API_URL: self.stage.slack.base_url,
            "XDG_CACHE_HOME": str(self.desk / "cache"),
            "COSTWATCH_RUN_MEMBER": f"arn:aws:sagemaker:us-east-1:{self.aws.account_id}:training-job/churn-41",
        }

    # --- time ------------------------------------------------------------------------------------------------

    def forward(self, **duration: float) -> None:
        """Let time pass: the schedule sweeps, events are delivered. Raises AssertionError where a function fails."""
        for done in self.stage.run_until(self.stage.clock() + timedelta(**duration)):
            assert not done.error, done.error

    def rows(self) -> list[dict[str, Any]]:
        """The ledger as it is."""
        return [*self.aws.session().resource("dynamodb").Table("costwatch-ledger").scan()["Items"]]


def _role(words: Sequence[str]) -> str | None:
    """Whose permissions a command has to do with. None: a trainer's, a pipeline's or a deployer's own."""
    own = {
        "heartbeat": None,
        "package": None,
        "res": None,
        "doctor": recorder.DOCTOR,
        "init": recorder.BEGINNER,
        "preview": recorder.PREVIEWER,
        "scan": recorder.SCANNER,
    }
    return own.get(words[0], recorder.OPERATOR)


@contextmanager
def _logging_elsewhere() -> Iterator[None]:
    """Functions run in this process: what they log goes into no command's output, nor into that of a test before."""
    handlers = [
        handler
        for logger in logging.Logger.manager.loggerDict.values()
        if isinstance(logger, logging.Logger) and logger.name.startswith(names.PROJECT)
        for handler in logger.handlers
        if isinstance(handler, logging.StreamHandler)
    ]
    before = [handler.stream for handler in handlers]
    for handler in handlers:
        handler.stream = io.StringIO()  # `setStream` would flush the one before, which may be closed
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            handler.stream = stream
