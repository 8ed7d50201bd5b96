"""The CDK app around the stack: where it goes, which synthesizer, cdk-nag at every synth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from costwatch import names
from costwatch.errors import ConfigError
from infra.inputs import Inputs
from infra.ledger import read_keeps
from infra.role_prefix import apply_prefix, read_prefix
from infra.stack import CostwatchStack

TARGETS = ("aws", "localhost")
BOUNDARY_CONTEXT = "@aws-cdk/core:permissionsBoundary"
PREFIX_CONTEXT = "role_prefix"
LEDGER_CONTEXT = "ledger"


def compose(app: cdk.App, *, inputs: Inputs, asset: Path, target: str = "aws") -> CostwatchStack:
    """Put the stack and the checks into `app`.

    `target` `localhost` is for an emulator on this machine, which has its own bootstrap. A permissions boundary
    given as CDK's context `@aws-cdk/core:permissionsBoundary` goes to every role: a policy's name, its ARN, or CDK's
    own `{"name": ...}` and `{"arn": ...}`. A prefix given as context `role_prefix` begins the name of every role and
    managed policy. With context `ledger` `delete` the ledger goes with the stack; else it stays. Raises ConfigError for
    a target or a context that cannot be read.
    """
    if target not in TARGETS:
        raise ConfigError(f"context target is {target!r}; expected one of {', '.join(TARGETS)}")
    read_boundary(app)
    prefix = read_prefix(app.node.try_get_context(PREFIX_CONTEXT))
    keep_ledger = read_keeps(app.node.try_get_context(LEDGER_CONTEXT))
    options: dict[str, Any] = {}
    if target == "localhost":
        options["synthesizer"] = cdk.DefaultStackSynthesizer(
            qualifier="localhost", generate_bootstrap_version_rule=False
        )
    stack = CostwatchStack(
        app,
        names.STACK,
        inputs=inputs,
        asset=asset,
        keep_ledger=keep_ledger,
        env=cdk.Environment(account=inputs.account, region=inputs.home_region),
        **options,
    )
    if prefix:
        apply_prefix(stack, prefix, region=inputs.home_region)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return stack


def read_boundary(app: cdk.App) -> None:
    """On the command line a context value is text, and CDK silently ignores a boundary that is text."""
    value = app.node.try_get_context(BOUNDARY_CONTEXT)
    if value is None:
        return
    if isinstance(value, str):
        try:
            value = (
                json.loads(value) if value.startswith("{") else {"arn" if value.startswith("arn:") else "name": value}
            )
        except ValueError:
            value = None
    if not isinstance(value, dict) or not (value.get("name") or value.get("arn")):
        raise ConfigError(f'context {BOUNDARY_CONTEXT} names no policy; expected a name, an ARN or {{"name": "..."}}')
    app.node.set_context(BOUNDARY_CONTEXT, value)
