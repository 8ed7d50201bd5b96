"""Synthesizes each configuration of the stack once a session, in one process: a jsii kernel takes seconds to start."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from costwatch import topology
from infra.runtime import use_node
from tests.infra import documents
from tests.support.large import load_large

ROOT = Path(__file__).resolve().parents[2]
EMAIL = "ml-platform@example.com"
HOME_REGION = "us-east-1"
BOUNDARY = "org-boundary"
ROLE_PREFIX = "ml-platform-"


@dataclass(frozen=True)
class Synthesized:
    """A cloud assembly on disk, and its template."""

    directory: Path
    template: dict[str, Any]
    slack: bool
    """Whether its configuration names a channel of Slack's."""
    models: bool
    """Whether it names models to judge."""

    @property
    def functions(self) -> tuple[topology.Function, ...]:
        """Those that its configuration asks for."""
        return topology.functions(slack=self.slack, models=self.models)

    def of_type(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """Resources of one CloudFormation type, by logical id."""
        return {k: r for k, r in self.template["Resources"].items() if r["Type"] == resource_type}

    @property
    def dead_letter_queues(self) -> set[str]:
        """Logical ids of the queues that nothing but people reads, or that another one gives up into."""
        read = {
            m["Properties"]["EventSourceArn"]["Fn::GetAtt"][0]
            for m in self.of_type("AWS::Lambda::EventSourceMapping").values()
        }
        queues = self.of_type("AWS::SQS::Queue")
        redriven = [q["Properties"]["RedrivePolicy"] for q in queues.values() if "RedrivePolicy" in q["Properties"]]
        return set(queues) - read | {policy["deadLetterTargetArn"]["Fn::GetAtt"][0] for policy in redriven}

    def only(self, resource_type: str) -> dict[str, Any]:
        """The properties of the one resource of a type."""
        (resource,) = self.of_type(resource_type).values()
        properties: dict[str, Any] = resource["Properties"]
        return properties


def synthesize(
    directory: Path,
    policy_document: Mapping[str, Any],
    *,
    asset: Path,
    context: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    emails: tuple[str, ...] = (EMAIL,),
) -> Synthesized:
    """Synthesize through cdk-nag, with the context of cdk.json. Raises what synthesis raises."""
    use_node()
    import aws_cdk as cdk  # noqa: PLC0415, importing it starts Node

    from infra.compose import compose  # noqa: PLC0415
    from infra.inputs import Inputs  # noqa: PLC0415

    settings = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"] | dict(context or {})
    app = cdk.App(outdir=str(directory), context=settings)
    inputs = Inputs.of(policy_document, alert_emails=emails, environ=environ or {})
    stack = compose(app, inputs=inputs, asset=asset)
    app.synth()
    template = json.loads((directory / f"{stack.artifact_id}.template.json").read_text("utf-8"))
    return Synthesized(directory, template, slack=inputs.has_slack, models=inputs.has_models)


def synthesize_all(directory: Path) -> dict[str, Synthesized]:
    """`observe`: the committed sample with the real asset. `enforce`: three enforcing selectors. `boundary`: the same
    as an organisation with rules for roles deploys it, under a permissions boundary and with a prefix on every name.
    `large`: 50 selectors and 40 teams. `gated`: with roles that the state machine GatedTraining hands on. `models`:
    models are judged, in enforce, without auto_approve; nothing else is in enforce. The last five carry a stand-in for
    the asset."""
    use_node()
    from costwatch.config import loader  # noqa: PLC0415
    from infra.asset import build_asset  # noqa: PLC0415

    stand_in = directory / "asset"
    stand_in.mkdir(parents=True)
    (stand_in / "policy.json").write_text("{}", "utf-8")
    sample = loader.load(ROOT / "costwatch.yaml").policy_document
    enforcing = documents.document(*documents.ENFORCING)
    boundary = {"@aws-cdk/core:permissionsBoundary": {"name": BOUNDARY}, "role_prefix": ROLE_PREFIX}
    large = load_large(directory).policy_document
    return {
        "observe": synthesize(directory / "observe", sample, asset=build_asset(sample, say=lambda _: None)),
        "enforce": synthesize(directory / "enforce", enforcing, asset=stand_in),
        "boundary": synthesize(directory / "boundary", enforcing, asset=stand_in, context=boundary),
        "large": synthesize(directory / "large", large, asset=stand_in),
        "models": synthesize(directory / "models", documents.document(res=documents.RES), asset=stand_in),
        "gated": synthesize(directory / "gated", documents.document(approval=documents.APPROVAL), asset=stand_in),
    }


def statements(assembly: Synthesized) -> Iterator[tuple[str, dict[str, Any]]]:
    """(logical id of the policy, statement) of every identity policy of the template."""
    for logical_id, resource in assembly.template["Resources"].items():
        properties = resource.get("Properties", {})
        if resource["Type"] in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for statement in properties["PolicyDocument"]["Statement"]:
                yield logical_id, statement
        for policy in properties.get("Policies", []) if resource["Type"] == "AWS::IAM::Role" else []:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield logical_id, statement


def as_list(value: Any) -> list[Any]:
    """IAM lets a single value stand without its list."""
    return value if isinstance(value, list) else [value]


def filled_in(value: Any) -> Any:
    """Intrinsics replaced by text of the longest kind CloudFormation would put there."""
    if isinstance(value, list):
        return [filled_in(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        known = {"AWS::AccountId": "1" * 12, "AWS::Partition": "aws-us-gov", "AWS::Region": "ap-southeast-2"}
        return known.get(value["Ref"], f"arn:aws-us-gov:service:ap-southeast-2:{'1' * 12}:{value['Ref']}-{'x' * 40}")
    if set(value) == {"Fn::GetAtt"}:
        return f"arn:aws-us-gov:service:ap-southeast-2:{'1' * 12}:{value['Fn::GetAtt'][0]}-{'x' * 40}"
    if set(value) == {"Fn::Join"}:
        separator, parts = value["Fn::Join"]
        return separator.join(filled_in(parts))
    return {key: filled_in(item) for key, item in value.items()}
