"""Configurations and documents that the pages show: each is accepted by what reads it, and says what the page means."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import hcl2
import pytest
import yaml
from click.testing import CliRunner

from costwatch import names, topology
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from costwatch.config.loader import load
from tests.support import assembly, docs
from tests.support.docs import Block
from tests.support.iam import Statement, evaluate, statements_of
from tests.support.refusals import TOP

SNIPPETS = [block for page in docs.PAGES for block in docs.blocks(page)]
ACCOUNT = "111122223333"
PREFIXES = {"states": "stepfunctions"}
"""Of IAM's actions, where botocore's service is called otherwise."""
NO_OPERATION = {"iam:PassRole", "lambda:InvokeFunction", "s3:ListBucket"}


def of(language: str) -> list[Block]:
    return [block for block in SNIPPETS if block.language == language]


def named(block: Block) -> str:
    return f"{block.page}:{block.line}"


# --- configurations -----------------------------------------------------------------------------------------


OF_A_MODEL = """\
res:
  models:
    churn:
      metric: auc
      direction: maximize
      worth: {usd: 4000, per: 0.01, over: 30d}
"""
"""Where the keys of one model stand."""


def configuration(block: Block) -> str:
    """The whole file, where a part of one is shown."""
    if block.text.startswith("version:"):
        return block.text
    if block.text.startswith("guardrails:"):
        return TOP + OF_A_MODEL + re.sub(r"^", "      ", block.text, flags=re.MULTILINE)
    return TOP + block.text


@pytest.mark.parametrize("block", [each for each in of("yaml") if "gitlab" not in each.page], ids=named)
def test_a_shown_configuration_is_accepted(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "costwatch.yaml"
    path.write_text(configuration(block), encoding="utf-8")
    assert load(path).config


def test_the_shown_job_of_gitlab_hands_on_what_the_file_beside_it_reads() -> None:
    (block,) = [each for each in of("yaml") if "gitlab" in each.page]
    told = re.findall(r"\b([A-Z_]+)=", block.text)
    taken = (docs.ROOT / "docs" / "guides" / "costwatch-res.gitlab-ci.yml").read_text("utf-8")
    assert told == ["TRAINING_JOB", "PACKAGE"]
    assert all(f'"${name}"' in taken for name in told)
    assert yaml.safe_load(block.text)["train"]["artifacts"] == {"reports": {"dotenv": "train.env"}}


# --- policies -----------------------------------------------------------------------------------------------


def policies() -> list[Block]:
    return [block for block in of("json") if '"Effect"' in block.text]


def statements(block: Block) -> tuple[Statement, ...]:
    """Of a policy, or of one statement: in a key's policy the resource is that key, and who may is the role."""
    body: dict[str, Any] = json.loads(block.text)
    if "Statement" not in body:
        body = {"Version": "2012-10-17", "Statement": {name: body[name] for name in body if name != "Principal"}}
    return statements_of(body, named(block))


@cache
def operations(service: str) -> frozenset[str]:
    return frozenset(botocore.session.get_session().get_service_model(service).operation_names)


@pytest.mark.parametrize("block", policies(), ids=named)
def test_every_action_of_a_shown_policy_exists(block: Block) -> None:
    for statement in statements(block):
        for action in set(statement.actions) - NO_OPERATION:
            prefix, _, name = action.partition(":")
            assert name in operations(PREFIXES.get(prefix, prefix)), action


def policy(page: str, action: str) -> tuple[Statement, ...]:
    """The one of a page that is about this action."""
    (found,) = [block for block in policies() if block.page == page and f'"{action}"' in block.text]
    return statements(found)


JOB = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/churn-41"
ROLE, ANOTHER = f"arn:aws:iam::{ACCOUNT}:role/trainer", f"arn:aws:iam::{ACCOUNT}:role/admin"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:Costwatch-GateRequestsQueue1A2B"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:"
BEAT = {"events:source": ["costwatch.client"], "events:detail-type": ["Run Heartbeat"]}
BUS = "arn:aws:events:REGION:ACCOUNT:event-bus/costwatch"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k"
PACKAGE = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:model-package/"
ACTIONS = "docs/guides/github-actions.md"
MACHINES = "docs/guides/step-functions.md"


@pytest.mark.parametrize(
    ("page", "action", "resource", "context", "allowed"),
    [
        ("docs/guides/sagemaker-pipelines.md", "sqs:SendMessage", QUEUE, {}, True),
        ("docs/guides/sagemaker-pipelines.md", "sqs:SendMessage", QUEUE.replace("Gate", "Other"), {}, False),
        (MACHINES, "lambda:InvokeFunction", f"{FUNCTION}YOUR-GATE-FUNCTION", {}, True),
        (MACHINES, "lambda:InvokeFunction", f"{FUNCTION}another", {}, False),
        (MACHINES, "sagemaker:CreateTrainingJob", JOB, {}, True),
        (MACHINES, "sagemaker:AddTags", JOB, {}, True),
        (MACHINES, "iam:PassRole", ROLE, {}, True),
        (MACHINES, "iam:PassRole", ANOTHER, {}, False),
        (ACTIONS, "lambda:InvokeFunction", f"{FUNCTION}Costwatch-GateFunction1A2B", {}, True),
        (ACTIONS, "lambda:InvokeFunction", f"{FUNCTION}Costwatch-DeadmanFunction1A2B", {}, False),
        (ACTIONS, "sagemaker:CreateTrainingJob", JOB, {}, True),
        (ACTIONS, "iam:PassRole", ANOTHER, {}, False),
        (ACTIONS, "sagemaker:UpdateModelPackage", f"{PACKAGE}churn/41", {}, True),
        (ACTIONS, "sagemaker:UpdateModelPackage", f"{PACKAGE}ranker/1", {}, False),
        ("client/README.md", "events:PutEvents", BUS, BEAT, True),
        ("client/README.md", "events:PutEvents", BUS, {**BEAT, "events:source": ["costwatch"]}, False),
        ("client/README.md", "events:PutEvents", BUS, {**BEAT, "events:detail-type": ["Canary"]}, False),
        ("docs/platform-teams.md", "kms:Decrypt", KEY, {"kms:ViaService": ["s3.us-east-1.amazonaws.com"]}, True),
        ("docs/platform-teams.md", "kms:Decrypt", KEY, {"kms:ViaService": ["ssm.us-east-1.amazonaws.com"]}, False),
    ],
)
def test_a_shown_policy_allows_what_it_is_for_and_nothing_beside(
    page: str, action: str, resource: str, context: dict[str, list[str]], allowed: bool
) -> None:
    assert evaluate(policy(page, action), action, resource, context).allowed is allowed


# --- Terraform ----------------------------------------------------------------------------------------------


def resource(kind: str) -> dict[str, Any]:
    """The one shown resource of a type, as Terraform's own grammar reads it."""
    found = []
    for block in of("hcl"):
        for parsed in hcl2.loads(block.text)["resource"]:
            found += [body for name, named in parsed.items() if json.loads(name) == kind for body in named.values()]
    (body,) = found
    return {name: value for name, value in body.items() if not name.startswith("__")}


def test_the_shown_stack_of_terraform_gives_the_parameters_that_a_packaged_template_asks_for(tmp_path: Path) -> None:
    config = tmp_path / "costwatch.yaml"
    config.write_text(TOP, encoding="utf-8")
    assembly.write(tmp_path / "cdk.out", config)
    words = [
        "package",
        "--out",
        str(tmp_path / "out"),
        "--assembly",
        str(tmp_path / "cdk.out"),
        "--config",
        str(config),
    ]
    done = CliRunner().invoke(main, words, obj=Tools(environ={}))
    assert done.exit_code == 0, done.output
    template = json.loads((tmp_path / "out" / "costwatch.template.json").read_text("utf-8"))
    stack = resource("aws_cloudformation_stack")
    asked = {name for name, each in template["Parameters"].items() if "Default" not in each}
    assert asked == set(stack["parameters"])
    assert json.loads(stack["name"]) == names.STACK


def test_the_shown_group_of_terraform_is_not_set_back_to_what_a_stop_has_changed() -> None:
    group = resource("aws_autoscaling_group")
    ((lifecycle,), (tag,)) = group["lifecycle"], group["tag"]
    assert lifecycle["ignore_changes"] == ["min_size", "desired_capacity"]
    assert set(lifecycle["ignore_changes"]) < set(group)
    assert (tag["propagate_at_launch"], json.loads(tag["key"])) == (True, "Purpose")


# --- pictures -----------------------------------------------------------------------------------------------


def test_the_picture_of_how_it_works_names_functions_that_there_are() -> None:
    (picture,) = of("mermaid")
    named_there = set(re.findall(r"\[\[(\w+) function\]\]", picture.text))
    assert named_there == {"deadman", "hints", "heartbeats"}
    assert named_there < {function.name for function in topology.FUNCTIONS}


def test_every_path_in_the_list_of_folders_is_there() -> None:
    (shown,) = [block for block in SNIPPETS if block.text.startswith("app.py ")]
    above = ""
    for line in shown.text.splitlines():
        for path in re.split(r"\s{2,}", line.strip())[:-1]:
            if not line.startswith(" "):
                above = path if path.endswith("costwatch/") else above
            assert (docs.ROOT / (above if line.startswith(" ") else "") / path).exists(), path
