"""heartbeat --check: what a training run's heartbeat needs, tried from here."""

from __future__ import annotations

import click

from costwatch.cli.failures import UNEXPECTED
from costwatch.errors import InputError

_NOT_HERE = (
    "costwatch-client is not installed here: pip install the wheel that `make client` builds, or run "
    "`python -m costwatch_client --check` where it is"
)


@click.command(short_help="Try what a training run's heartbeat needs.")
@click.option("--check", is_flag=True, required=True, help="Try everything, and say what was found.")
def heartbeat(check: bool) -> int:
    """Try, as a training run on this machine would, everything that a heartbeat needs: identity, credentials, the bus
    and the permission to put events on it. Prints the IAM statement to paste.

    It sends one check beat, which is no sign of life. Exit code 1: something is missing, which is said.
    """
    del check  # required: a beat itself is sent by training alone
    try:
        from costwatch_client import heartbeat_check  # noqa: PLC0415 - training's own package, which may not be here
    except ModuleNotFoundError as missing:
        if missing.name != "costwatch_client":
            raise
        raise InputError(_NOT_HERE) from missing
    return 0 if heartbeat_check() else UNEXPECTED
