"""Every `costwatch` and `aws` command of the documentation is run, page by page, in an account that has what they name.

What a page calls RUN, HOLD or churn-41 is made by tests/support/company.py; tests/support/shown_commands.py says what
stands for which name, and what must come of each command. A page is typed from its top to its end by one reader.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from click.testing import Result

from tests.support import docs, shown_aws, shown_commands
from tests.support.aws_command import WrongCommandError
from tests.support.company import Company, company
from tests.support.docs import Command
from tests.support.shown_commands import RAVI, Typed
from tests.support.snapshots import snapshot

_TELLING = [
    page for page in docs.PAGES if {"aws", "costwatch"} & {docs.program_of(each.text) for each in docs.commands(page)}
]
_RUN_BEFORE: set[str] = set()


class Reader:
    """Types what the pages show."""

    def __init__(self, of: Company) -> None:
        self.of = of
        self._in_aws = shown_aws.prepare(of.aws, of.desk)
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


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with company(tmp_path_factory.mktemp("desk")) as of:
        yield Reader(of)
        assert of.aws.errors == []


def differs(it: Typed, result: Result) -> str:
    """What is not as it should be; empty: nothing."""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return f"{it.shown}\nraised {result.exception!r}"
    if result.exit_code != it.how.exit:
        return f"{it.shown}\nexit code {result.exit_code}, expected {it.how.exit}:\n{result.output}"
    if "Traceback" in result.output or not result.output.strip() or it.how.says not in " ".join(result.output.split()):
        return f"{it.shown}\nexpected something with {it.how.says!r}:\n{result.output}"
    return ""


@pytest.mark.parametrize("page", _TELLING)
def test_each_command_of_the_page_does_what_it_says(reader: Reader, page: str) -> None:
    reader.anew()
    wrong, here = [], set[str]()
    for shown in docs.commands(page):
        if docs.program_of(shown.text) == "aws":
            wrong.append(reader.ask_aws(shown))
        for it in shown_commands.typed(shown, reader.known):
            said = it.text.removeprefix(".venv/bin/")
            # A sentence repeats what another page has shown; a block is there to be typed from its top to its end.
            if said in here or (not shown.fenced and said in _RUN_BEFORE):
                continue
            here.add(said)
            if it.how.anew:
                reader.anew()
            wrong.append(differs(it, reader.type(it)))
    _RUN_BEFORE.update(here)
    assert not any(wrong), "\n\n".join(filter(None, wrong))
