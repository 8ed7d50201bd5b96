"""A doctor's check of what these credentials may do beside looking: each command's permissions, simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from costwatch.cli import stack_queues, stack_resources
from costwatch.cli.command_permissions import ACTS, On
from costwatch.cli.doctor_case import Case
from costwatch.cli.findings import Finding, ok, unknown, waits
from costwatch.cli.session import Deployment
from costwatch.errors import CostwatchError

CHECK: Final = "permissions to act"
Denied = Callable[[Sequence[str], str], list[str]]
"""Which of these actions are denied on that ARN."""


def acting(case: Case, deployed: Deployment, arn: str, denied: Denied) -> Iterator[Finding]:
    """`arn`: one of this account with gaps for service and resource. Nobody has to be allowed to act: so `--`."""
    where = _Resources(case, deployed, arn)
    without: dict[str, list[str]] = {}
    blind: dict[str, str] = {}
    for need in ACTS:
        try:
            resources = where.of(need.on)
        except CostwatchError as error:
            blind |= {command: str(error) for command in need.commands}
            continue
        missing = sorted({action for resource in resources for action in denied(need.actions, resource)})
        for command in need.commands if missing else ():
            without.setdefault(command, []).extend(each for each in missing if each not in without.get(command, ()))
    if without:
        commands: dict[str, list[str]] = {}
        for command, actions in without.items():
            commands.setdefault(", ".join(actions), []).append(command)
        said = "; ".join(f"{', '.join(names)} without {actions}" for actions, names in commands.items())
        yield waits(CHECK, f"not allowed: {said}", "allow it to whoever is to do that: docs/commands.md says on what")
    if blind:
        yield unknown(CHECK, f"not known for {', '.join(blind)}: {next(iter(blind.values()))}")
    elif not without:
        yield ok(CHECK, "all that commands may call, redrive too")


class _Resources:
    """The ARNs that a permission is about, in this deployment."""

    def __init__(self, case: Case, deployed: Deployment, arn: str) -> None:
        self._case = case
        self._deployed = deployed
        self._arn = arn

    def of(self, on: On) -> list[str]:
        """Empty: nothing of it is deployed. Raises NotDeployedError or AwsError."""
        deployed = self._deployed
        functions = {
            On.DEADMAN: deployed.function,
            On.GATE: deployed.gate_function,
            On.PRICES: deployed.prices_function,
            On.RES: deployed.res_function,
            On.RETRAIN: deployed.retrain_function,
        }
        if on in functions:
            return self._functions([functions[on]])
        if on is On.TABLE:
            return [self._arn.format("dynamodb", f"table/{deployed.table}")]
        if on is On.STACK:
            return [self._arn.format("cloudformation", f"stack/{deployed.stack}/any")]
        queues = stack_queues.parts(stack_resources.physical(self._case.resources))
        if on is On.QUEUES:
            return [self._arn.format("sqs", url.rpartition("/")[2]) for url, _ in queues.values()]
        return self._functions([function for _, function in queues.values()])

    def _functions(self, named: Sequence[str]) -> list[str]:
        """By name or ARN."""
        found = [name if name.startswith("arn:") else self._arn.format("lambda", f"function:{name}")
                 for name in named if name]  # fmt: skip
        return list(dict.fromkeys(found))
