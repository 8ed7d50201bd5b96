"""guardrail-policy: what the printed policy refuses, as IAM judges it; and what is told beside it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from costwatch.cli import guardrail_document
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from costwatch.core.policy import Service
from tests.support.iam import Context, Verdict, evaluate, statements_of

ROOT = Path(__file__).parents[2]
CONFIG = """\
version: 1
regions: [us-east-1]
dead_man:
  hard_cap: 72h
  selectors: []
"""
CREATES = {
    "sagemaker:CreateTrainingJob": "training-job",
    "sagemaker:CreateHyperParameterTuningJob": "hyper-parameter-tuning-job",
    "sagemaker:CreateProcessingJob": "processing-job",
}
RUNTIME = "sagemaker:MaxRuntimeInSeconds"
TYPES = "sagemaker:InstanceTypes"
TAG = "aws:RequestTag/costwatch:approval"
MARIA = "arn:aws:iam::111122223333:role/DataScientist"
GATED = "arn:aws:iam::111122223333:role/GatedTraining"
WELL: Context = {RUNTIME: "3600", TYPES: ["ml.m5.large"], "aws:PrincipalArn": MARIA}

whatever_is_created = pytest.mark.parametrize("action", CREATES)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "costwatch.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


class Printer:
    """Runs the command without AWS: a client would raise."""

    def __init__(self, config: Path) -> None:
        self.config = config

    def run(self, *arguments: str) -> Result:
        wanted = ["guardrail-policy", *arguments, "--config", str(self.config)]
        tools = Tools(environ={"XDG_CACHE_HOME": str(self.config.parent / "cache")})
        env = {"COLUMNS": "80", "NO_COLOR": "1"}
        return CliRunner().invoke(main, wanted, obj=tools, env=env, prog_name="costwatch")

    def policy(self, *arguments: str) -> dict[str, Any]:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        document: dict[str, Any] = json.loads(result.stdout)
        return document


@pytest.fixture
def printer(config: Path) -> Printer:
    return Printer(config)


def refused_by(policy: Mapping[str, Any], context: Context, action: str = "sagemaker:CreateTrainingJob") -> str:
    """The Sid that denies it to somebody who is allowed everything else; empty: it passes."""
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    resource = f"arn:aws:sagemaker:us-east-1:111122223333:{CREATES.get(action, 'other')}/churn"
    decision = evaluate((*statements_of(everything), *statements_of(policy)), action, resource, context)
    assert decision.verdict in (Verdict.ALLOWED, Verdict.EXPLICITLY_DENIED)
    return decision.sid if decision.verdict is Verdict.EXPLICITLY_DENIED else ""


def without(context: Context, *keys: str) -> Context:
    return {key: value for key, value in context.items() if key not in keys}


# --- runtime ------------------------------------------------------------------------------------------


@whatever_is_created
def test_exactly_the_longest_runtime_passes_and_one_second_more_is_refused(printer: Printer, action: str) -> None:
    policy = printer.policy("--max-runtime", "12h")
    assert refused_by(policy, {**WELL, RUNTIME: "43200"}, action) == ""
    assert refused_by(policy, {**WELL, RUNTIME: "43201"}, action) == "CostwatchRuntimeTooLong"


@whatever_is_created
def test_a_runtime_that_is_not_declared_is_refused(printer: Printer, action: str) -> None:
    assert refused_by(printer.policy(), without(WELL, RUNTIME), action) == "CostwatchRuntimeUndeclared"


def test_the_bound_is_the_hard_cap_of_the_configuration(printer: Printer) -> None:
    policy = printer.policy()
    assert refused_by(policy, {**WELL, RUNTIME: str(72 * 3600)}) == ""
    assert refused_by(policy, {**WELL, RUNTIME: str(72 * 3600 + 1)}) == "CostwatchRuntimeTooLong"


def test_a_kind_of_job_has_the_longest_hard_cap_of_its_own_selectors(printer: Printer, config: Path) -> None:
    selectors = """[
        {name: short, hard_cap: 20h, sagemaker: {jobs: [training], tag: {team: risk}}},
        {name: long, hard_cap: 30h, sagemaker: [training]},
        {name: prep, hard_cap: 13h, sagemaker: [processing]},
        {name: machines, hard_cap: 200h, ec2: {types: ["p4d.*"]}}]"""
    config.write_text(CONFIG.replace("[]", selectors), encoding="utf-8")
    policy = printer.policy()
    for action, hours, sid in (
        ("sagemaker:CreateTrainingJob", 30, "CostwatchRuntimeTooLongTraining"),
        ("sagemaker:CreateProcessingJob", 13, "CostwatchRuntimeTooLongProcessing"),
        ("sagemaker:CreateHyperParameterTuningJob", 72, "CostwatchRuntimeTooLongTuning"),
    ):
        assert refused_by(policy, {**WELL, RUNTIME: str(hours * 3600)}, action) == ""
        assert refused_by(policy, {**WELL, RUNTIME: str(hours * 3600 + 1)}, action) == sid


def test_a_hard_cap_beyond_what_sagemaker_gives_is_bounded_by_that(printer: Printer, config: Path) -> None:
    config.write_text(CONFIG.replace("72h", "60d"), encoding="utf-8")
    assert refused_by(printer.policy(), {**WELL, RUNTIME: str(28 * 86400)}) == ""
    assert refused_by(printer.policy(), {**WELL, RUNTIME: str(28 * 86400 + 1)}) == "CostwatchRuntimeTooLong"


def test_a_bound_of_28_days_is_taken_and_a_longer_one_is_bad_input(printer: Printer) -> None:
    assert printer.run("--max-runtime", "28d").exit_code == 0
    result = printer.run("--max-runtime", "672h1s")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--max-runtime 672h1s is more than SageMaker ever gives a job: 28d" in result.stderr


# --- types --------------------------------------------------------------------------------------------


@whatever_is_created
@pytest.mark.parametrize(
    ("types", "sid"),
    [
        (["ml.m5.large"], ""),
        (["ml.g5.48xlarge"], ""),
        (["ml.m5.large", "ml.g5.xlarge"], ""),
        (["ml.m5.large", "ml.p4d.24xlarge"], "CostwatchTypeNotAllowed"),  # one allowed type excuses no other
        (["ml.p4d.24xlarge"], "CostwatchTypeNotAllowed"),
        (["ml.g5n.xlarge"], "CostwatchTypeNotAllowed"),
        ([], "CostwatchTypeUnseen"),
    ],
)
def test_every_type_of_a_job_must_be_allowed(printer: Printer, action: str, types: list[str], sid: str) -> None:
    policy = printer.policy("--types", "ml.m5.*,ml.g5.*")
    assert refused_by(policy, {**WELL, TYPES: types}, action) == sid


def test_a_job_whose_types_are_not_shown_is_refused_where_types_matter_and_passes_elsewhere(printer: Printer) -> None:
    unseen = without(WELL, TYPES)
    assert refused_by(printer.policy("--types", "ml.m5.*"), unseen) == "CostwatchTypeUnseen"
    approval = printer.policy("--require-approval-tag-for", "ml.p4d.*")
    assert refused_by(approval, unseen) == "CostwatchApprovalMissingTypeUnseen"
    assert refused_by(approval, {**unseen, TAG: "ap-1"}) == ""
    assert refused_by(printer.policy(), unseen) == ""


def test_types_may_be_named_with_blanks_and_twice(printer: Printer) -> None:
    statement = printer.policy("--types", " ml.m5.* ,ml.m5.*, ml.g5.xlarge")["Statement"][2]
    assert statement["Condition"] == {"ForAnyValue:StringNotLike": {TYPES: ["ml.m5.*", "ml.g5.xlarge"]}}


# --- approval -----------------------------------------------------------------------------------------


@whatever_is_created
@pytest.mark.parametrize(
    ("types", "tag", "sid"),
    [
        (["ml.p4d.24xlarge"], None, "CostwatchApprovalMissing"),
        (["ml.p4d.24xlarge"], "", "CostwatchApprovalMissing"),
        (["ml.p4d.24xlarge"], "a", ""),
        (["ml.p4d.24xlarge", "ml.m5.large"], None, "CostwatchApprovalMissing"),
        (["ml.p4d.24xlarge", "ml.m5.large"], "ap-1", ""),
        (["ml.p4de.24xlarge"], None, ""),
        (["ml.m5.large"], None, ""),
    ],
)
def test_dear_types_need_the_approval_tag_and_others_do_not(
    printer: Printer, action: str, types: list[str], tag: str | None, sid: str
) -> None:
    policy = printer.policy("--require-approval-tag-for", "ml.p4d.*")
    context = {**WELL, TYPES: types, **({TAG: tag} if tag is not None else {})}
    assert refused_by(policy, context, action) == sid


@pytest.mark.parametrize("dear", ["ml.p5.48xlarge", "ml.g5.xlarge", "ml.trn1.2xlarge", "ml.inf2.xlarge"])
def test_accelerators_stands_for_every_type_that_has_one(printer: Printer, dear: str) -> None:
    policy = printer.policy("--require-approval-tag-for", "accelerators")
    assert refused_by(policy, {**WELL, TYPES: [dear]}) == "CostwatchApprovalMissing"
    assert refused_by(policy, WELL) == ""


def test_an_approval_tag_lifts_no_other_bound(printer: Printer) -> None:
    policy = printer.policy("--max-runtime", "12h", "--types", "ml.p4d.*", "--require-approval-tag-for", "ml.p4d.*")
    approved = {**WELL, TYPES: ["ml.p4d.24xlarge"], TAG: "ap-1"}
    assert refused_by(policy, approved) == ""
    assert refused_by(policy, {**approved, RUNTIME: "43201"}) == "CostwatchRuntimeTooLong"
    assert refused_by(policy, {**approved, TYPES: ["ml.p5.48xlarge"]}) == "CostwatchTypeNotAllowed"


# --- who and what -------------------------------------------------------------------------------------


BAD: Context = {TYPES: ["ml.p5.48xlarge"]}


@pytest.mark.parametrize(
    ("exempt", "spared"),
    [
        (GATED, True),
        ("arn:aws:iam::*:role/Gated*", True),
        ("arn:aws:iam::444455556666:role/GatedTraining", False),
        (MARIA, False),
    ],
)
def test_an_exempt_role_is_spared_by_every_statement_and_nobody_else_is(
    printer: Printer, exempt: str, spared: bool
) -> None:
    options = ("--types", "ml.m5.*", "--require-approval-tag-for", "ml.p5.*", "--deny-automl")
    policy = printer.policy(*options, "--exempt-role", exempt)
    assert all("ArnNotLike" in statement["Condition"] for statement in policy["Statement"])
    assert (refused_by(policy, {**BAD, "aws:PrincipalArn": GATED}) == "") is spared
    assert refused_by(policy, {**BAD, "aws:PrincipalArn": MARIA.replace("Data", "Other")}) != ""
    assert refused_by(policy, BAD) != ""  # a principal that is not shown is not spared


def test_several_roles_may_be_exempt(printer: Printer) -> None:
    policy = printer.policy("--exempt-role", GATED, "--exempt-role", MARIA)
    assert refused_by(policy, {**BAD, "aws:PrincipalArn": GATED}) == ""
    assert refused_by(policy, {**BAD, "aws:PrincipalArn": MARIA}) == ""
    assert refused_by(policy, {**BAD, "aws:PrincipalArn": GATED + "2"}) == "CostwatchRuntimeUndeclared"


@pytest.mark.parametrize("action", ["sagemaker:CreateAutoMLJob", "sagemaker:CreateAutoMLJobV2"])
def test_automl_jobs_pass_unless_they_are_to_be_refused(printer: Printer, action: str) -> None:
    assert refused_by(printer.policy(), {}, action) == ""
    assert refused_by(printer.policy("--deny-automl"), {}, action) == "CostwatchNoAutoML"


@pytest.mark.parametrize(
    "action", ["sagemaker:StopTrainingJob", "sagemaker:CreateModel", "sagemaker:CreateTransformJob", "s3:GetObject"]
)
def test_nothing_but_the_start_of_jobs_is_touched(printer: Printer, action: str) -> None:
    policy = printer.policy("--types", "ml.m5.*", "--require-approval-tag-for", "accelerators", "--deny-automl")
    assert refused_by(policy, {}, action) == ""


def test_the_policy_only_denies_and_each_statement_has_a_name_that_aws_takes(printer: Printer) -> None:
    policy = printer.policy("--types", "ml.m5.*", "--require-approval-tag-for", "accelerators", "--deny-automl")
    sids = [statement["Sid"] for statement in policy["Statement"]]
    assert {statement["Effect"] for statement in policy["Statement"]} == {"Deny"}
    assert len(set(sids)) == len(sids)
    assert all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)


# Condition keys by action, as the service authorization reference lists them (Amazon SageMaker, October 2026).
KNOWN_KEYS = {
    **{action: {RUNTIME, TYPES, TAG} for action in CREATES},
    "sagemaker:CreateAutoMLJob": {TAG},
    "sagemaker:CreateAutoMLJobV2": {TAG},
}


def test_every_action_knows_every_key_that_it_is_judged_by(printer: Printer) -> None:
    options = ("--require-approval-tag-for", "accelerators", "--deny-automl", "--exempt-role", GATED)
    for policy in (printer.policy(*options), printer.policy(*options, "--types", "ml.m5.*")):
        for statement in policy["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            keys = {key for operator in statement["Condition"].values() for key in operator} - {"aws:PrincipalArn"}
            for action in actions:
                assert keys <= KNOWN_KEYS[action], statement["Sid"]


def test_every_kind_of_job_with_a_declared_runtime_is_bounded() -> None:
    bounded = set(guardrail_document.ACTIONS) | {Service.EC2, Service.AUTOML}
    assert bounded == set(Service)


# --- size ---------------------------------------------------------------------------------------------


def roles(count: int) -> list[str]:
    return [
        part for n in range(count) for part in ("--exempt-role", f"arn:aws:iam::111122223333:role/{'r' * 60}{n:03}")
    ]


@pytest.mark.parametrize(("form", "limit"), [("iam", 6_144), ("scp", 10_240)])
def test_what_fits_is_printed_and_what_does_not_is_refused_with_both_numbers(
    printer: Printer, form: str, limit: int
) -> None:
    fitting = max(n for n in range(1, 200) if len(compact(printer, n)) <= limit)
    result = printer.run("--format", form, *roles(fitting))
    assert result.exit_code == 0
    counted = len(compact(printer, fitting)) if form == "iam" else len(result.stdout.rstrip("\n"))
    assert counted <= limit
    assert f"{counted:,} of {limit:,} characters." in result.stderr
    over = printer.run("--format", form, *roles(fitting + 1))
    assert (over.exit_code, over.stdout) == (2, "")
    told = " ".join(over.stderr.split())
    assert f"the policy has {len(compact(printer, fitting + 1)):,} characters" in told
    assert f"may have {limit:,}: name fewer types and roles" in told


def compact(printer: Printer, count: int) -> str:
    del printer
    exempt = tuple(role for role in roles(count) if role.startswith("arn:"))
    bounds = dict.fromkeys(guardrail_document.ACTIONS, guardrail_document.LONGEST)
    made = guardrail_document.statements(guardrail_document.Guardrail(bounds, exempt=exempt))
    # The configuration's 72 hours are six digits as well as 28 days are seven.
    return json.dumps(guardrail_document.document(made), separators=(",", ":")).replace('"2419200"', '"259200"')


def test_an_organisation_policy_is_indented_while_it_fits(printer: Printer) -> None:
    assert printer.run("--format", "scp").stdout.startswith('{\n  "Version"')
    assert printer.run("--format", "scp", *roles(44)).stdout.startswith('{"Version"')


def test_both_formats_are_the_same_policy(printer: Printer) -> None:
    assert printer.policy("--format", "iam") == printer.policy("--format", "scp")


# --- what is told -------------------------------------------------------------------------------------


def test_each_statement_is_explained_and_so_is_what_none_of_them_can_do(printer: Printer) -> None:
    result = printer.run("--require-approval-tag-for", "ml.p4d.*", "--exempt-role", GATED)
    told = " ".join(result.stderr.split())
    for statement in json.loads(result.stdout)["Statement"]:
        assert f"{statement['Sid']}: refuses " in told
    assert "refuses a job that declares more than 72h; exactly that passes." in told
    assert f"It spares {GATED}." in told
    assert "the tag alone proves nothing" in told
    assert "AutoML jobs pass" in told
    assert "attach it to the roles of pipelines and notebooks too" in told


def test_what_holds_of_one_format_only_is_told_there_only(printer: Printer) -> None:
    organisation, account = (" ".join(printer.run("--format", f).stderr.split()) for f in ("scp", "iam"))
    assert "neither the management account nor service-linked roles" in organisation
    assert "management account" not in account
    assert "the tag alone" not in account


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--types", "p4d.24xlarge"), "'p4d.24xlarge' is not a SageMaker instance type"),
        (("--types", "ml.p4d"), "'ml.p4d' names no size, so it matches nothing"),
        (("--types", " , "), "names no type"),
        (("--types", ""), "names no type"),
        (("--types", "ml.m5.*,,ml.g5.*"), "an entry names no type"),
        (("--types", "ml.m5.*,"), "an entry names no type"),
        (("--require-approval-tag-for", "ml.p4d.*,"), "an entry names no type"),
        (("--types", "*"), "'*' allows every type: leave --types out, or name those that may be used"),
        (("--types", "ml.m5.*,ml.*"), "'ml.*' allows every type"),
        (("--types", "*.*"), "'*.*' allows every type"),
        (("--exempt-role", "arn:aws:iam::111122223333:role/*"), "spares everybody, and refuses nothing"),
        (("--exempt-role", "arn:aws:iam::*:role/?*"), "spares everybody"),
        (("--exempt-role", "arn:aws:iam::*:role/*/*"), "spares everybody"),
        (("--exempt-role", "arn:aws:iam::111122223333:user/*"), "spares everybody"),
        (("--require-approval-tag-for", "gpu"), "'gpu' is not a SageMaker instance type"),
        (("--exempt-role", "GatedTraining"), "'GatedTraining' is not the ARN of a role such as arn:aws:iam::"),
        (("--exempt-role", "arn:aws:iam::1:role/x"), "is not the ARN of a role"),
        (("--exempt-role", "arn:aws:iam::111122223333:role/${aws:username}"), "is not the ARN of a role"),
        (
            ("--exempt-role", "arn:aws:sts::111122223333:assumed-role/Data/maria"),
            "is a session; expected its role, which is arn:aws:iam::111122223333:role/Data if it has no path",
        ),
        (("--max-runtime", "12"), "is not a duration such as 12h"),
        (("--format", "rcp"), "is not one of 'iam', 'scp'"),
    ],
)
def test_bad_input_is_one_sentence_and_prints_no_policy(
    printer: Printer, arguments: tuple[str, ...], sentence: str
) -> None:
    result = printer.run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in " ".join(result.stderr.split())


def test_without_a_configuration_there_is_no_policy(printer: Printer, config: Path) -> None:
    config.unlink()
    result = printer.run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no such file" in result.stderr


# --- the guide ----------------------------------------------------------------------------------------


def test_the_commands_of_the_guide_print_a_policy(printer: Printer) -> None:
    guide = (ROOT / "docs/guides/guardrail-policy.md").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = re.findall(r"^costwatch guardrail-policy(.*?)(?:>|$)", guide, re.MULTILINE)
    assert len(commands) >= 3
    for command in commands:
        assert printer.run(*shlex.split(command)).exit_code == 0, command


def test_the_guide_names_every_statement(printer: Printer) -> None:
    guide = (ROOT / "docs/guides/guardrail-policy.md").read_text(encoding="utf-8")
    options = ("--require-approval-tag-for", "ml.p4d.*", "--deny-automl")
    for policy in (printer.policy(*options), printer.policy(*options, "--types", "ml.m5.*")):
        for statement in policy["Statement"]:
            assert f"`{statement['Sid']}`" in guide
