"""No snippet and no command stands in the documentation that nothing tries: what is new there needs its test first.

`costwatch` and `aws` commands are run by tests/integration/test_docs_commands_run.py, whatever they are. All other
commands and every fenced block that is not typed line by line have a row here, with the test that tries them.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support import docs
from tests.support.docs import Block, Command

RUN_WHATEVER_THEY_ARE = {"aws", "costwatch"}
SNIPPETS = "tests/unit/test_docs_snippets.py"
SNIPPETS_RUN = "tests/integration/test_docs_snippets_run.py"
SHOWN_OUTPUTS = "tests/unit/test_docs_outputs.py"
OF_RES = "tests/unit/test_docs_of_res.py"
OF_THE_GATE = "tests/integration/test_guides_of_the_gate.py"
RETRAIN = "tests/integration/test_guide_should_retrain.py"
READERS = "tests/unit/test_docs_for_readers.py"


@dataclass(frozen=True)
class Tried:
    """Which block of which page: that which begins so, and the test that tries it, `FILE::NAME`."""

    page: str
    begins: str
    test: str


ACCEPTED = f"{SNIPPETS}::test_a_shown_configuration_is_accepted"
ALLOWS = f"{SNIPPETS}::test_a_shown_policy_allows_what_it_is_for_and_nothing_beside"
ENOUGH = "tests/integration/test_docs_commands_run.py::test_a_shown_policy_is_enough_for_what_its_page_says"
ESTIMATE = "tests/unit/test_cli_estimate.py::test_an_estimate_is_shown_as_it_is_printed"
IN_ORDER = f"{SHOWN_OUTPUTS}::test_every_line_of_a_shown_output_is_one_that_is_printed"
RES = f"{OF_RES}::test_a_shown_output_is_the_real_one"
TRAINING = f"{SNIPPETS_RUN}::test_a_shown_training_loop_beats"
SDK = f"{OF_THE_GATE}::test_with_sagemakers_sdk_it_is_the_same_step"
TERRAFORM = f"{SNIPPETS}::test_a_shown_resource_of_terraform_is_well_formed_and_names_what_there_is"
BLOCKS = (
    Tried("README.md", "Account 1234", IN_ORDER),
    Tried("README.md", "$ costwatch estimate", ESTIMATE),
    Tried("README.md", "$ costwatch res", RES),
    Tried("README.md", "flowchart", f"{SNIPPETS}::test_the_picture_of_how_it_works_names_functions_that_there_are"),
    Tried("README.md", "app.py", f"{SNIPPETS}::test_every_path_in_the_list_of_folders_is_there"),
    Tried("client/README.md", "from costwatch_client import done", TRAINING),
    Tried("client/README.md", '{\n  "Sid": "CostwatchHeartbeat"', ALLOWS),
    Tried("client/README.md", "def main(rank", f"{SNIPPETS_RUN}::test_a_shown_process_says_its_rank"),
    Tried("client/README.md", "# pip install", f"{SNIPPETS_RUN}::test_the_shown_callbacks_are_given_to_both_trainers"),
    Tried("client/README.md", "python3 -m venv", f"{SNIPPETS_RUN}::test_what_the_real_trainers_are_tried_by_is_there"),
    Tried("client/README.md", '{"v":1', "tests/client/test_arguments.py::test_the_readme_shows_a_detail_as_it_is_sent"),
    Tried("docs/data-scientists.md", "from costwatch_client", TRAINING),
    Tried("docs/guides/auto-scaling-groups.md", "dead_man:", ACCEPTED),
    Tried("docs/guides/auto-scaling-groups.md", 'resource "aws_autoscaling_group"', TERRAFORM),
    Tried("docs/guides/estimate.md", "$ costwatch estimate", ESTIMATE),
    Tried("docs/guides/github-actions.md", '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {"Effect": "Allow", "Action": "lambda', ENOUGH),
    Tried("docs/guides/github-actions.md", '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {"Effect": "Allow", "Action": ["sage', ENOUGH),
    Tried("docs/guides/gitlab-ci.md", "train:", f"{SNIPPETS}::test_the_shown_job_of_gitlab_hands_on_what_the_file_beside_it_reads"),
    Tried("docs/guides/heartbeats.md", "from costwatch_client", TRAINING),
    Tried("docs/guides/preview.md", '{\n  "Version"', "tests/integration/test_preview.py::test_the_policy_it_prints_is_the_one_it_needs"),
    Tried("docs/guides/preview.md", "Account 1234", IN_ORDER),
    Tried("docs/guides/sagemaker-pipelines.md", "import json\n\nimport boto3\n\n", f"{OF_THE_GATE}::test_the_pipeline_of_the_guide_goes_as_its_table_says"),
    Tried("docs/guides/sagemaker-pipelines.md", "import json\n\nimport boto3\nfrom sagemaker", SDK),
    Tried("docs/guides/sagemaker-pipelines.md", '{\n  "Version"', ALLOWS),
    Tried("docs/guides/scan.md", '{\n  "Version"', "tests/unit/test_scan.py::test_the_readme_shows_the_policy_as_it_is_printed"),
    Tried("docs/guides/should-retrain.md", "res:", f"{RETRAIN}::test_the_configuration_of_the_guide_is_valid_and_spells_out_the_defaults"),
    Tried("docs/guides/should-retrain.md", 'costwatch should-retrain --model churn --served-error', "tests/integration/test_docs_commands_run.py::test_what_only_a_shell_understands_is_typed_into_one"),
    Tried("docs/guides/should-retrain.md", 'costwatch should-retrain --model churn --id', f"{RETRAIN}::test_the_script_trains_on_a_yes_skips_on_a_six_and_fails_on_anything_else"),
    Tried("docs/guides/should-retrain.md", '{\n  "StartAt"', f"{RETRAIN}::test_the_state_machine_goes_where_the_answer_leads"),
    Tried("docs/guides/should-retrain.md", "aws ssm get-parameter", "tests/integration/test_docs_commands_run.py::test_what_only_a_shell_understands_is_typed_into_one"),
    Tried("docs/guides/should-retrain.md", "from sagemaker", f"{RETRAIN}::test_the_pipelines_step_asks_with_fields_that_the_function_takes"),
    Tried("docs/guides/step-functions.md", "approval:", f"{OF_THE_GATE}::test_the_guides_configuration_lists_the_roles"),
    Tried("docs/guides/step-functions.md", '{\n  "job"', f"{OF_THE_GATE}::test_gated_training_is_started_by_the_guides_commands_and_runs_to_its_end"),
    Tried("docs/guides/step-functions.md", "machine=", f"{OF_THE_GATE}::test_gated_training_is_started_by_the_guides_commands_and_runs_to_its_end"),
    Tried("docs/guides/step-functions.md", '{\n  "StartAt"', f"{OF_THE_GATE}::test_the_state_machine_of_the_guide_runs_to_its_end"),
    Tried("docs/guides/step-functions.md", '{\n  "Version"', ALLOWS),
    Tried("docs/guides/without-cdk.md", 'resource "aws_cloudformation_stack"', TERRAFORM),
    Tried("docs/operators.md", "dead_man:", f"{READERS}::test_what_the_operators_page_lets_enforce_is_one_selector"),
    Tried("docs/platform-teams.md", '{\n  "Sid": "CostwatchReadsMetrics"', ALLOWS),
    Tried("docs/platform-teams.md", '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {\n      "Sid": "FindCostwatch"', ENOUGH),
    Tried("docs/platform-teams.md", '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {\n      "Sid": "CostwatchTags', f"{READERS}::test_the_policy_about_tags_denies_the_two_that_switch_it_off"),
    Tried("docs/platform-teams.md", "account:", ACCEPTED),
    Tried("docs/res.md", "$ costwatch res", RES),
    Tried("docs/res.md", "res:", f"{OF_RES}::test_a_shown_configuration_is_valid"),
    Tried("docs/res.md", "guardrails:", ACCEPTED),
    Tried("docs/spending.md", "Forecast ", f"{SHOWN_OUTPUTS}::test_a_shown_line_of_a_card_is_the_demos"),
    Tried("docs/spending.md", "$ costwatch spend", "tests/integration/test_demo.py::test_the_page_about_spending_shows_what_the_demo_prints"),
    Tried("docs/spending.md", "prices:", ACCEPTED),
    Tried("docs/spending.md", "$ costwatch status --would-have", f"{SHOWN_OUTPUTS}::test_the_shown_would_haves_are_printed_so"),
)
"""In the order of the pages."""
CI = ".ci/run"
MAKE = "tests/integration/test_make.py"
COMMANDS = {
    "make setup": CI,
    "make check": CI,
    "make test": CI,
    "make synth": "tests/integration/test_docs_make.py::test_a_shown_make_command_comes_to_what_its_page_says",
}
"""Of every other program. `.ci/run` itself runs them before each change."""


def others() -> Iterator[Command]:
    for page in docs.PAGES:
        for command in docs.commands(page):
            if docs.program_of(command.text) not in RUN_WHATEVER_THEY_ARE:
                yield command


print(sorted({c.text for c in others()}))
