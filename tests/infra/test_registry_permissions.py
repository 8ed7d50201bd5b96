"""What the RES breaker may write into the model registry, judged by IAM's rules with its conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from costwatch import topology
from infra.policy_size import MANAGED_POLICIES_PER_ROLE, MANAGED_POLICY_CHARACTERS, policy_characters
from infra.registry_permissions import STATUS, WRITE, write_policies
from tests.infra import documents
from tests.infra.test_iam_proofs import ACCOUNT, OTHER_ACCOUNT, deployed, every_role, role
from tests.support.iam import evaluate, statements_of
from tests.support.registry_town import MODEL, res

Template = Mapping[str, Any]


def version(group: str = "Churn", region: str = "us-east-1", account: str = ACCOUNT) -> str:
    return f"arn:aws:sagemaker:{region}:{account}:model-package/{group}/41"


def asked(status: str | None = "Rejected", region: str = "us-east-1") -> dict[str, str | list[str]]:
    """What IAM knows of a request to decide about a version."""
    return {"aws:RequestedRegion": region, **({STATUS: status} if status else {})}


def may(policy: Mapping[str, Any], resource: str, context: Mapping[str, str | list[str]]) -> bool:
    written = [s for each in write_policies(policy, account=ACCOUNT, partition="aws") for s in each]
    statements = statements_of({"Version": "2012-10-17", "Statement": written}, "res")
    return evaluate(statements, WRITE, resource, dict(context)).allowed


def judging(mode: str = "enforce", **changes: Any) -> dict[str, Any]:
    return documents.policy(res=res(mode, {"group": "Churn"}, **changes))


# --- the synthesized role -----------------------------------------------------------------------------


def test_the_deployed_role_may_reject_a_candidate_and_approve_none(templates: Mapping[str, Template]) -> None:
    holder = role(templates["models"], topology.RES.name)
    assert holder.evaluate(WRITE, version(), asked("Rejected")).allowed
    assert holder.evaluate(WRITE, version("churn"), asked("Rejected")).allowed  # an ARN may be in small letters
    assert not holder.evaluate(WRITE, version(), asked("Approved")).allowed
    assert not holder.evaluate(WRITE, version(), asked("PendingManualApproval")).allowed
    assert not holder.evaluate(WRITE, version(), asked(None)).allowed


def test_nobody_else_may_write_the_registry_in_any_configuration(templates: Mapping[str, Template]) -> None:
    for template, function in every_role(templates):
        if function == topology.RES.name:
            continue
        for status in ("Rejected", "Approved", "PendingManualApproval", None):
            assert not role(template, function).evaluate(WRITE, version(), asked(status)).allowed


def test_whoever_clicks_asks_the_breaker_and_only_where_it_is_deployed(templates: Mapping[str, Template]) -> None:
    breaker = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:res-function"
    assert role(templates["models"], topology.CLICKS.name).evaluate("lambda:InvokeFunction", breaker, {}).allowed
    for template, function in every_role(templates):
        if function != topology.CLICKS.name or topology.RES.name not in deployed(template):
            assert not role(template, function).evaluate("lambda:InvokeFunction", breaker, {}).allowed


def test_metrics_are_read_in_buckets_of_this_account_and_in_no_other(templates: Mapping[str, Template]) -> None:
    holder = role(templates["models"], topology.RES.name)
    for action, resource in (("s3:GetObject", "arn:aws:s3:::any/metrics.json"), ("s3:ListBucket", "arn:aws:s3:::any")):
        assert holder.evaluate(action, resource, {"aws:ResourceAccount": ACCOUNT}).allowed
        assert not holder.evaluate(action, resource, {"aws:ResourceAccount": OTHER_ACCOUNT}).allowed
        assert not holder.evaluate(action, resource, {}).allowed


# --- what each configuration grants -------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["off", "observe", "warn"])
def test_outside_of_enforce_nothing_may_be_written(mode: str) -> None:
    assert write_policies(judging(mode, auto_approve=True), account=ACCOUNT, partition="aws") == []


def test_without_models_nothing_may_be_written() -> None:
    assert write_policies(documents.policy(), account=ACCOUNT, partition="aws") == []


def test_with_auto_approve_a_candidate_may_be_approved_too_and_still_not_set_back() -> None:
    policy = judging(auto_approve=True)
    assert may(policy, version(), asked("Approved"))
    assert may(policy, version(), asked("Rejected"))
    assert not may(policy, version(), asked("PendingManualApproval"))
    assert not may(policy, version(), asked(None))


@pytest.mark.parametrize(
    ("resource", "context"),
    [
        (version("other"), asked()),
        (version("Churn-next"), asked()),
        (version(account=OTHER_ACCOUNT), asked()),
        (version(region="ap-south-1"), asked(region="ap-south-1")),
        (version(), {STATUS: "Rejected"}),
        (f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model-package/Churn", asked()),
    ],
    ids=["another group", "a longer name", "another account", "another region", "no region", "no version"],
)
def test_what_is_not_configured_is_refused(resource: str, context: Mapping[str, str | list[str]]) -> None:
    assert may(judging(), version(), asked())
    assert not may(judging(), resource, context)


@pytest.mark.parametrize("count", [1, 20, 100])
def test_a_hundred_groups_with_the_longest_names_fit_a_role_and_each_may_be_decided(count: int) -> None:
    names = [f"Group-{number:03d}-{'x' * 53}" for number in range(count)]
    models: Sequence[Mapping[str, Any]] = [{**MODEL, "name": name, "group": name} for name in names]
    policy = documents.policy(res={**res(), "models": models})
    policies = write_policies(policy, account=ACCOUNT, partition="aws-us-gov")
    assert len(policies) < MANAGED_POLICIES_PER_ROLE
    assert all(policy_characters(each) <= MANAGED_POLICY_CHARACTERS for each in policies)
    assert all(may(policy, version(name), asked()) and may(policy, version(name.lower()), asked()) for name in names)
