"""`costwatch`: the operator's command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Final

import click

from costwatch import __version__
from costwatch.cli.failures import Commands

_MODULES: Final = {
    "approvals": "approving",
    "approve": "approving",
    "check-config": "checking",
    "completion": "completion",
    "deny": "approving",
    "doctor": "doctor",
    "estimate": "estimating",
    "exempt": "granting",
    "explain": "reading",
    "export": "exporting",
    "extend": "granting",
    "gate": "gating",
    "guardrail-policy": "guardrail",
    "heartbeat": "heartbeat",
    "init": "init",
    "ledger": "reading",
    "package": "packaging",
    "pause": "pausing",
    "preview": "previewing",
    "prices": "prices",
    "promote": "verdicts",
    "reject": "verdicts",
    "release": "granting",
    "report": "reporting",
    "res": "scoring",
    "restore": "restoring",
    "resume": "pausing",
    "scan": "scanning",
    "should-retrain": "should_retrain",
    "slack-manifest": "manifest",
    "spend": "spending",
    "status": "status",
    "stop": "stopping",
    "sweep": "sweeping",
    "verdicts": "verdicts",
}


class _OnDemand(Mapping[str, click.Command]):
    """Each command with its module, imported when somebody asks for it: nobody waits for what all the others need."""

    def __getitem__(self, name: str) -> click.Command:
        module = import_module(f"costwatch.cli.{_MODULES[name]}")
        command: click.Command = getattr(module, name.replace("-", "_"))
        import_module("costwatch.cli.completion").complete_runs(command)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


@click.group(cls=Commands)
@click.version_option(__version__, package_name="costwatch", message="%(prog)s %(version)s")
def main() -> None:
    """Costwatch stops ML training from burning money that nobody decided to spend.

    A run is what is watched, warned and stopped: a standalone instance, instances that share the run tag, an
    Auto Scaling group, or a training job. Modes are off, observe, warn and enforce. From here nothing is stopped:
    that is the deployed function's alone. AWS_PROFILE, AWS_REGION and AWS_ENDPOINT_URL are honoured.

    Exit codes: 0 all well, 1 unexpected failure, or something is to be done (doctor), 2 bad input, 3 a price is
    unknown, or something could not be judged or looked at, 4 denied, 5 expired, 6 skip training, 7 rejected, 8 pending.
    """


main.commands = _OnDemand()  # type: ignore[assignment]  # click only reads it
