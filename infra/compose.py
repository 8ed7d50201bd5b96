"""The CDK app around the stack: where it goes, which synthesizer, cdk-nag at every synth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from costwatch import names
from costwatch.errors import ConfigError
from infra.inputs import Inputs
from infra.stack import CostwatchStack

TARGETS = ("aws", "localhost")


def compose(app: cdk.App, *, inputs: Inputs, asset: Path, target: str = "aws") -> CostwatchStack:
    """Put the stack and the checks into `app`.

    `target` `localhost` is for an emulator on this machine, which has its own bootstrap. A permissions boundary
    given as CDK's context `@aws-cdk/core:permissionsBoundary` goes to every role.
    Raises ConfigError for a target that is not known.
    """
    if target not in TARGETS:
        raise ConfigError(f"context target is {target!r}; expected one of {', '.join(TARGETS)}")
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
        env=cdk.Environment(account=inputs.account, region=inputs.home_region),
        **options,
    )
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return stack
