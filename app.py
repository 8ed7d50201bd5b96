"""The CDK app: composes the stack, nothing else.

Context: `-c config=PATH` (default costwatch.yaml), `-c target=localhost` for an emulator on this machine,
`-c @aws-cdk/core:permissionsBoundary=...` for a boundary on every role, `-c role_prefix=...` for what every role's name
begins with, `-c ledger=delete` to have the ledger go with the stack. Exit code 2: the configuration is wrong.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent / "lambdas")]

from costwatch.errors import CostwatchError, InputError  # noqa: E402, needs the path above
from infra.runtime import use_node  # noqa: E402, needs the path above


def main(arguments: Sequence[str]) -> int:
    """Synthesize. What is wrong in the configuration is told in its own lines, without a traceback.

    `arguments`: context as `cdk -c` takes it, for whoever runs this file alone; what the CDK says goes before it.
    """
    context = dict(_options().parse_args(arguments).context)
    try:
        use_node()
        # Only now: importing the CDK library starts Node.
        import aws_cdk as cdk  # noqa: PLC0415, needs Node

        from costwatch.config import loader  # noqa: PLC0415, what is wrong there is told below
        from infra.asset import build_asset  # noqa: PLC0415, the same
        from infra.compose import compose  # noqa: PLC0415, imports the CDK library
        from infra.inputs import Inputs  # noqa: PLC0415, the same

        app = cdk.App(context=context)
        loaded = loader.load(Path(app.node.try_get_context("config") or "costwatch.yaml"))
        for warning in loaded.warnings:
            sys.stderr.write(f"warning: {warning}\n")
        inputs = Inputs.of(
            loaded.shipped(),
            slack_token_parameter=loaded.config.slack.token_parameter,
            slack_signing_secret_parameter=loaded.config.slack.signing_secret_parameter,
            alert_emails=tuple(loaded.config.email.to),
            environ=os.environ,
        )
        asset = build_asset(inputs.policy_document)
        compose(app, inputs=inputs, asset=asset, target=app.node.try_get_context("target") or "aws")
        app.synth()
    except CostwatchError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, InputError) else 1
    return 0


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="app.py", description="Synthesize, without the CDK's command line.")
    options.add_argument("-c", "--context", action="append", default=[], type=_pair, metavar="KEY=VALUE")
    return options


def _pair(written: str) -> tuple[str, str]:
    key, equals, value = written.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{written!r} is not KEY=VALUE")
    return key, value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
