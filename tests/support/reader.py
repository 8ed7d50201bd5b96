"""Somebody who reads the documentation, and types what it shows at a desk of the company."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import ClientError
from click.testing import Result

from tests.support import shown_aws
from tests.support.aws_command import WrongCommandError
from tests.support.company import Company
from tests.support.docs import Command
from tests.support.shown_commands import RAVI, Typed
from tests.support.snapshots import snapshot


class Reader:
    """Types what the pages show."""

    def __init__(self, of: Company) -> None:
        self.of = of
        self._in_aws = shown_aws.prepare(of.aws, of.desk)
        (of.desk / "accounts").mkdir()
        self._back = snapshot(of.aws, of.stage.slack, of.stage.clock)
        self._files = {path: path.read_bytes() for path in of.desk.iterdir() if path.is_file()}
        rows = of.rows()
        self.known = {
            "HOLD": next(row["hold"]["id"] for row in rows if row.get("hold")),
            "ID": self.waiting()[0],
        }

    def waiting(self) -> list[str]:
        """Ids of the questions that wait for an answer and are about a job that has not started."""
        listed = json.loads(self.of.costwatch("approvals", "--json").stdout)
        return [each["id"] for each in listed["approvals"] if each["way"] == "command"]

    def anew(self) -> None:
        """The account and the desk, as they were before anybody read anything."""
        self._back()
        for path in self.of.desk.iterdir():
            if path.is_file() and path not in self._files:
                path.unlink()
        for path, content in self._files.items():
            path.write_bytes(content)

    def type(self, it: Typed) -> Result:
        result = self.of.costwatch(
            *it.words, who=it.how.who, answers=it.how.answers, env=it.variables, sleep=self._sleep(it.how.waits)
        )
        if it.to:
            (self.of.desk / Path(it.to).name).write_text(result.stdout, "utf-8")
        return result

    def ask_aws(self, shown: Command) -> str:
        """What AWS, or its command line, has against it; empty: nothing."""
        try:
            shown_aws.run(self.of.aws, shown.text, self._in_aws, self.of.desk)
        except (WrongCommandError, ClientError) as error:
            return f"{shown}\n{error}"
        return ""

    def _sleep(self, waits: str) -> Callable[[float], object]:
        def sleep(_seconds: float) -> None:
            if waits != "an approver":
                raise KeyboardInterrupt
            for each in self.waiting():
                self.of.costwatch("approve", each, who=RAVI)

        return sleep


def differs(it: Typed, result: Result) -> str:
    """What is not as it should be; empty: nothing."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"{it.shown}\nraised {result.exception!r}"
    if result.exit_code != it.how.exit:
        return f"{it.shown}\nexit code {result.exit_code}, expected {it.how.exit}:\n{result.output}"
    if "Traceback" in result.output or not result.output.strip() or it.how.says not in " ".join(result.output.split()):
        return f"{it.shown}\nexpected something with {it.how.says!r}:\n{result.output}"
    return ""
