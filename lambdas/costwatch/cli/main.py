"""`costwatch`: the operator's command line."""

from __future__ import annotations

import click

from costwatch import __version__
from costwatch.cli.checking import check_config
from costwatch.cli.completion import complete_runs, completion
from costwatch.cli.failures import Commands
from costwatch.cli.granting import exempt, extend, release
from costwatch.cli.heartbeat import heartbeat
from costwatch.cli.pausing import pause, resume
from costwatch.cli.reading import explain, ledger
from costwatch.cli.restoring import restore
from costwatch.cli.scanning import scan
from costwatch.cli.status import status
from costwatch.cli.stopping import stop
from costwatch.cli.sweeping import sweep


@click.group(cls=Commands)
@click.version_option(__version__, package_name="costwatch", message="%(prog)s %(version)s")
def main() -> None:
    """Costwatch stops ML training from burning money that nobody decided to spend.

    A run is what is watched, warned and stopped: a standalone instance, instances that share the run tag, an
    Auto Scaling group, or a training job. Modes are off, observe, warn and enforce. From here nothing is stopped:
    that is the deployed function's alone. AWS_PROFILE, AWS_REGION and AWS_ENDPOINT_URL are honoured.

    Exit codes: 0 all well, 1 unexpected failure, 2 bad input, 4 denied.
    """


for _command in (
    scan,
    check_config,
    sweep,
    status,
    ledger,
    explain,
    stop,
    restore,
    extend,
    exempt,
    release,
    pause,
    resume,
    heartbeat,
    completion,
):
    complete_runs(_command)
    main.add_command(_command)
