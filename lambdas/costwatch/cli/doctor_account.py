"""A doctor's checks of what is here before any deploy: configuration, credentials, regions, permissions, the stack."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from costwatch import __version__, names
from costwatch.adapters.aws_errors import translated
from costwatch.cli import doctor_acting, show
from costwatch.cli.command_permissions import READ
from costwatch.cli.doctor_case import FALLBACK_REGION, Case
from costwatch.cli.failures import is_denied, lines_of
from costwatch.cli.findings import Finding, ok, todo, unknown, waits
from costwatch.cli.session import Caller
from costwatch.config.regions import partition
from costwatch.errors import (
    AwsError,
    ConfigError,
    CostwatchError,
    InputError,
    NotDeployedError,
    OtherDeployment,
    PermanentAwsError,
)
from costwatch.preview import permissions as preview_permissions
from costwatch.scan import permissions as scan_permissions

_BOOTSTRAPPED: Final = "/cdk-bootstrap/hnb659fds/version"  # where CDK's bootstrap writes down that it was
_MOST_NAMED: Final = 4
_SESSION: Final = re.compile(r"arn:[^:]+:sts::\d+:assumed-role/([^/]+)/.*")
_NO_PAYER: Final = "only the account that pays for the organisation may ask"
_NO_PROFILE: Final = "ProfileNotFound"
_NO_REGION: Final = frozenset({"InvalidRegionError", "UnknownRegionError"})


def configuration(case: Case) -> Iterator[Finding]:
    """costwatch.yaml, without AWS."""
    path = case.session.config_path
    if not path.exists():
        yield todo("configuration", f"{path} is not there", "costwatch init, or name it with --config")
        return
    try:
        case.loaded = case.session.loaded
    except ConfigError as error:
        problems = str(error).splitlines()
        more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        yield todo("configuration", f"{problems[0]}{more}", f"costwatch check-config {path}, which lists them all")
        return
    warned = f"; {show.count(len(case.loaded.warnings), 'warning')} by check-config" if case.loaded.warnings else ""
    yield ok("configuration", f"{path} is valid, in mode {case.loaded.config.dead_man.mode.value}{warned}")


def credentials(case: Case) -> Iterator[Finding]:
    """Who asks, and whether it is the account that the configuration means."""
    try:
        caller = case.session.caller
    except CostwatchError as error:
        said = " ".join(lines_of(error)).removeprefix("credentials: ")
        if error.retry:  # whether the credentials are right is not known without an answer
            yield unknown("credentials", said, "see that AWS can be reached from here")
        elif isinstance(error, InputError) or (isinstance(error, AwsError) and error.code in _NO_REGION):
            yield todo("credentials", said, "mend AWS's settings: AWS_REGION, the profile, AWS_ENDPOINT_URL")
        elif isinstance(error, AwsError) and error.code == _NO_PROFILE:
            yield todo("credentials", said, "name a profile that ~/.aws/config has (AWS_PROFILE), or unset it")
        else:
            yield todo("credentials", said, "sign in to AWS")
        return
    case.caller = caller
    wanted = case.loaded.config.account if case.loaded is not None else None
    if wanted is not None and wanted != caller.account:
        said = f"{caller.arn} is of account {caller.account}, and the configuration is for {wanted}"
        yield todo("credentials", said, "use credentials of that account, or change `account`")
        return
    yield ok("credentials", f"account {caller.account}, as {caller.arn}")


def regions(case: Case) -> Iterator[Finding]:
    """Whether the watched regions are enabled in this account."""
    if case.loaded is None and case.session.named_region is None and case.session.named_by_aws is None:
        said = f"neither a configuration nor AWS's settings name one; {FALLBACK_REGION} is looked at"
        yield todo("regions", said, "set AWS_REGION, or give --region")
        return
    if case.is_elsewhere:
        home = case.home_region
        said = f"--region is {case.session.named_region}, and the home region of the configuration is {home}"
        yield todo("regions", said, f"leave --region out, or give {home}")
        return
    wanted = case.loaded.config.regions if case.loaded is not None else case.session.home_regions[:1]
    with translated("ec2:DescribeRegions"):
        answer = case.session.client("ec2", case.home_region).describe_regions(AllRegions=True)
    status = {each["RegionName"]: each.get("OptInStatus", "opt-in-not-required") for each in answer["Regions"]}
    closed = [region for region in wanted if status.get(region, "not-opted-in") == "not-opted-in"]
    if closed:
        do = "enable them (Account, AWS Regions in the console), or take them out of `regions`"
        yield todo("regions", f"not enabled in this account: {', '.join(closed)}", do)
        return
    yield ok("regions", f"{', '.join(wanted)}; home region {case.home_region}")


# --- permissions ----------------------------------------------------------------------------------------


def permissions(case: Case) -> Iterator[Finding]:
    """What these credentials may: simulated, or where that is not allowed, tried with two calls that only read."""
    caller = case.session.caller
    if caller.arn.endswith(":root"):
        yield ok("permissions", "the root user may everything; better use a role")
        return
    try:
        yield from _simulated(case, caller, _principal(case, caller))
    except PermanentAwsError:  # not allowed, or AWS simulates no such caller, a federated one say
        yield from _tried(case)


def _principal(case: Case, caller: Caller) -> str:
    """The ARN that IAM simulates: a session's role with its path, which the session's own ARN leaves out."""
    session = _SESSION.fullmatch(caller.arn)
    if session is None:
        return caller.arn
    with translated("iam:GetRole"):
        return str(case.session.client("iam").get_role(RoleName=session[1])["Role"]["Arn"])


def _simulated(case: Case, caller: Caller, principal: str) -> Iterator[Finding]:
    looks = {
        f"{service}:{operation}"
        for calls in (scan_permissions.CALLS, preview_permissions.CALLS)
        for service, operations in calls.items()
        for operation in operations
    }
    denied = _denied(case, principal, sorted(looks), "*")
    if denied:
        do = "allow what `costwatch scan --policy` and `costwatch preview --policy` print"
        yield todo("permissions to look", f"not allowed: {_some(denied)}", do)
    else:
        yield ok("permissions to look", "all that scan, preview and sweep read")
    try:
        deployed = case.session.deployment
    except CostwatchError:
        return  # that is said by the next check
    arn = f"arn:{caller.arn.split(':')[1]}:{{}}:{deployed.home_region}:{caller.account}:{{}}"
    table = arn.format("dynamodb", f"table/{deployed.table}")
    denied = _denied(case, principal, READ.actions, table)
    if denied:
        yield todo("permissions to read the ledger", f"not allowed: {_some(denied)}", f"allow them on {table}")
    else:
        yield ok("permissions to read the ledger", deployed.table)
    yield from doctor_acting.acting(case, deployed, arn, lambda actions, on: _denied(case, principal, actions, on))


def _denied(case: Case, principal: str, actions: Sequence[str], resource: str) -> list[str]:
    with translated("iam:SimulatePrincipalPolicy"):
        pages = case.session.client("iam").get_paginator("simulate_principal_policy")
        answers = pages.paginate(PolicySourceArn=principal, ActionNames=list(actions), ResourceArns=[resource])
        results: list[Any] = [result for page in answers for result in page["EvaluationResults"]]
    return sorted({result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"})


def _tried(case: Case) -> Iterator[Finding]:
    region = case.home_region
    denied = []
    try:
        with translated("ec2:DescribeInstances"):
            case.session.client("ec2", region).describe_instances(DryRun=True)
    except AwsError as error:
        if is_denied(error):
            denied.append("ec2:DescribeInstances")
        elif error.code != "DryRunOperation":  # the answer to a dry run of what is allowed
            raise
    try:
        with translated("sagemaker:ListTrainingJobs"):
            case.session.client("sagemaker", region).list_training_jobs(MaxResults=1)
    except AwsError as error:
        if not is_denied(error):
            raise
        denied.append("sagemaker:ListTrainingJobs")
    why = "tried, since AWS does not simulate what these credentials may"
    if denied:
        do = "allow what `costwatch scan --policy` prints"
        yield todo("permissions to look", f"not allowed: {_some(denied)} ({why})", do)
    else:
        yield ok("permissions to look", f"ec2:DescribeInstances and sagemaker:ListTrainingJobs ({why})")
    try:
        table = case.session.deployment.table
    except CostwatchError:
        return  # that is said by the next check
    try:
        case.ledger.pause()
    except AwsError as error:
        if not is_denied(error):
            raise
        yield todo("permissions to read the ledger", f"not allowed: dynamodb:GetItem ({why})", f"allow it on {table}")
    else:
        yield ok("permissions to read the ledger", f"dynamodb:GetItem on {table} ({why})")
    yield unknown("permissions to act", "AWS does not simulate these credentials, and nothing is written to try")


def _some(actions: Sequence[str]) -> str:
    more = len(actions) - _MOST_NAMED
    return ", ".join(actions[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


# --- the stack ------------------------------------------------------------------------------------------


def deployed(case: Case) -> Iterator[Finding]:
    """The stack, and before there is one, what a deploy needs."""
    try:
        case.deployed = found = case.session.deployment
    except OtherDeployment as error:
        yield todo("deployed", str(error), "make deploy")
        return
    except NotDeployedError:
        case.not_deployed = True
        # A deploy goes to the configuration's home region, and would change nothing in another.
        do = "" if case.is_elsewhere else "make deploy"
        yield waits("deployed", f"not yet in {' or '.join(case.session.home_regions)}", do)
        yield from _bootstrapped(case)
        return
    if not found.version:
        yield unknown("deployed", f"{names.ENV_LEDGER_TABLE} names the ledger, so nobody knows of which version it is")
        return
    told = f"Costwatch {found.version} in {found.home_region}"
    if case.is_moved:
        home = case.loaded.config.home_region if case.loaded is not None else ""
        said = f"{told}, and the home region of the configuration is {home}: a deploy makes a second stack and ledger"
        yield todo("deployed", said, f"put {found.home_region} first in `regions`")
        return
    if found.version != __version__:
        yield todo("deployed", f"{told}, and this is {__version__}", "make deploy, or install the deployed version")
        return
    yield ok("deployed", f"{told}; it watches {', '.join(found.regions)}")


def _bootstrapped(case: Case) -> Iterator[Finding]:
    region = case.home_region
    try:
        with translated("ssm:GetParameter"):
            case.session.client("ssm", region).get_parameter(Name=_BOOTSTRAPPED)
    except PermanentAwsError as error:
        if error.code == "ParameterNotFound":
            yield waits("bootstrap", f"CDK is not bootstrapped in {region}", "make bootstrap, once, before make deploy")
        else:
            yield unknown("bootstrap", f"could not be looked at: {' '.join(lines_of(error))}")
        return
    yield ok("bootstrap", f"CDK is bootstrapped in {region}")


def cost_allocation_tags(case: Case) -> Iterator[Finding]:
    """Whether AWS's bill can be split by the tags that Costwatch reads. Nothing here depends on it."""
    check = "cost allocation tags"
    tags = case.loaded.config.tags if case.loaded is not None else None
    wanted = [tags.owner, tags.team, tags.project, tags.model] if tags is not None else ["owner", "team", "project"]
    if partition(case.home_region) not in ("", "aws"):
        yield waits(check, "not looked at in this partition of AWS")
        return
    try:
        with translated("ce:ListCostAllocationTags"):
            client = case.session.client("ce", FALLBACK_REGION)
            answer = client.list_cost_allocation_tags(Status="Active", TagKeys=wanted)
    except AwsError as error:
        if not is_denied(error):
            raise
        yield waits(check, f"could not be asked: {_NO_PAYER}, if it has ce:ListCostAllocationTags")
        return
    active = {each["TagKey"] for each in answer["CostAllocationTags"]}
    missing = [key for key in wanted if key not in active]
    if missing:
        do = "activate what you want AWS's bill split by (Billing, Cost allocation tags)"
        yield waits(check, f"not active: {', '.join(missing)}", do)
        return
    yield ok(check, f"active: {', '.join(wanted)}")
