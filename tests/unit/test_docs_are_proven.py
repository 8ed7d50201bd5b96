"""No snippet and no command stands in the documentation that nothing tries: what is new there needs its test first.

`costwatch` and `aws` commands are run by tests/integration/test_docs_commands_run.py, and those of `make` are read by
test_docs_make.py, whatever they are. All other commands, and every fenced block that is not typed line by line, have a
row here with the test that tries them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.support import docs
from tests.support.docs import Block, Command

SNIPPETS = "tests/unit/test_docs_snippets.py"
OUTPUTS = "tests/unit/test_docs_outputs.py"
CLIENT = "tests/client/test_docs_snippets.py"
TYPED = "tests/integration/test_docs_commands_run.py"
RES = "tests/unit/test_docs_of_res.py"
GATE = "tests/integration/test_guides_of_the_gate.py"
RETRAIN = "tests/integration/test_guide_should_retrain.py"
READERS = "tests/unit/test_docs_for_readers.py"
CONTRIBUTORS = "tests/integration/test_docs_of_contributors.py"
DEMO = "tests/integration/test_demo.py"
DEPLOY = "tests/e2e/test_real_deploy.py"
ESTIMATE = "tests/unit/test_cli_estimate.py"
WHEEL = "tests/client/test_wheel.py"

ACCEPTED = (SNIPPETS, "test_a_shown_configuration_is_accepted")
ALLOWS = (SNIPPETS, "test_a_shown_policy_allows_what_it_is_for_and_nothing_beside")
BEATS = (CLIENT, "test_a_shown_training_loop_beats")
ENOUGH = (TYPED, "test_a_shown_policy_is_enough_for_what_its_page_says")
ESTIMATED = (ESTIMATE, "test_an_estimate_is_shown_as_it_is_printed")
GATED = (GATE, "test_gated_training_is_started_by_the_guides_commands_and_runs_to_its_end")
IN_A_SHELL = (TYPED, "test_what_only_a_shell_understands_is_typed_into_one")
IN_ORDER = (OUTPUTS, "test_every_line_of_a_shown_output_is_one_that_is_printed")
SCORED = (RES, "test_a_shown_output_is_the_real_one")
SCRIPT = (RETRAIN, "test_the_script_trains_on_a_yes_skips_on_a_six_and_fails_on_anything_else")
GROUP = (SNIPPETS, "test_the_shown_group_of_terraform_is_not_set_back_to_what_a_stop_has_changed")
STACK = (SNIPPETS, "test_the_shown_stack_of_terraform_gives_the_parameters_that_a_packaged_template_asks_for")
TAGS = (READERS, "test_the_policy_about_tags_denies_the_two_that_switch_it_off")

BLOCKS = (
    ("README.md", "regions read", IN_ORDER),
    ("README.md", "$ costwatch estimate", ESTIMATED),
    ("README.md", "$ costwatch res", SCORED),
    ("README.md", "slack-manifest", (TYPED, "test_the_shown_way_stores_secrets_that_are_typed")),
    ("README.md", "flowchart", (SNIPPETS, "test_the_picture_of_how_it_works_names_functions_that_there_are")),
    ("README.md", "lambdas/costwatch/", (SNIPPETS, "test_every_path_in_the_list_of_folders_is_there")),
    ("client/README.md", "import done, heartbeat", BEATS),
    ("client/README.md", '"CostwatchHeartbeat"', ALLOWS),
    ("client/README.md", "def main(rank", (CLIENT, "test_a_shown_process_says_its_rank")),
    ("client/README.md", "Trainer(...", (CLIENT, "test_the_shown_callbacks_are_given_to_both_trainers")),
    ("client/README.md", "python3 -m venv", (CLIENT, "test_what_the_real_trainers_are_tried_by_is_there")),
    ("client/README.md", '{"v":1', ("tests/client/test_arguments.py", "test_the_readme_shows_a_detail_as_it_is_sent")),
    (
        "docs/data-scientists.md",
        "python3 -m venv",
        ("tests/client/test_cli_wheel.py", "test_it_brings_the_command_and_the_files_that_commands_read"),
    ),
    ("docs/data-scientists.md", "import done, heartbeat", BEATS),
    ("docs/guides/auto-scaling-groups.md", "dead_man:", ACCEPTED),
    ("docs/guides/auto-scaling-groups.md", "aws_autoscaling_group", GROUP),
    ("docs/guides/estimate.md", "$ costwatch estimate", ESTIMATED),
    ("docs/guides/github-actions.md", "lambda:InvokeFunction", ENOUGH),
    ("docs/guides/github-actions.md", "sagemaker:UpdateModelPackage", ENOUGH),
    (
        "docs/guides/gitlab-ci.md",
        "train.sh",
        (SNIPPETS, "test_the_shown_job_of_gitlab_hands_on_what_the_file_beside_it_reads"),
    ),
    ("docs/guides/heartbeats.md", "import done, heartbeat", BEATS),
    (
        "docs/guides/preview.md",
        '"CostwatchPreview"',
        ("tests/integration/test_preview.py", "test_the_policy_it_prints_is_the_one_it_needs"),
    ),
    ("docs/guides/preview.md", "Jobs read:", IN_ORDER),
    (
        "docs/guides/sagemaker-pipelines.md",
        "create_pipeline(",
        (GATE, "test_the_pipeline_of_the_guide_goes_as_its_table_says"),
    ),
    (
        "docs/guides/sagemaker-pipelines.md",
        "from sagemaker.workflow",
        (GATE, "test_with_sagemakers_sdk_it_is_the_same_step"),
    ),
    ("docs/guides/sagemaker-pipelines.md", "sqs:SendMessage", ALLOWS),
    (
        "docs/guides/scan.md",
        '"CostwatchScan"',
        ("tests/unit/test_scan.py", "test_the_readme_shows_the_policy_as_it_is_printed"),
    ),
    (
        "docs/guides/should-retrain.md",
        "res:",
        (RETRAIN, "test_the_configuration_of_the_guide_is_valid_and_spells_out_the_defaults"),
    ),
    ("docs/guides/should-retrain.md", "--served-error", IN_A_SHELL),
    ("docs/guides/should-retrain.md", "./train.sh", SCRIPT),
    (
        "docs/guides/should-retrain.md",
        '"Skipped"',
        (RETRAIN, "test_the_state_machine_goes_where_the_answer_leads"),
    ),
    ("docs/guides/should-retrain.md", "aws ssm get-parameter", IN_A_SHELL),
    (
        "docs/guides/should-retrain.md",
        "LambdaStep(",
        (RETRAIN, "test_the_pipelines_step_asks_with_fields_that_the_function_takes"),
    ),
    ("docs/guides/step-functions.md", "roles:", (GATE, "test_the_guides_configuration_lists_the_roles")),
    ("docs/guides/step-functions.md", '"job": {', GATED),
    ("docs/guides/step-functions.md", "machine=", GATED),
    (
        "docs/guides/step-functions.md",
        '"StartAt"',
        (GATE, "test_the_state_machine_of_the_guide_runs_to_its_end"),
    ),
    ("docs/guides/step-functions.md", '"lambda:InvokeFunction"', ALLOWS),
    ("docs/guides/without-cdk.md", "aws_cloudformation_stack", STACK),
    ("docs/operators.md", "dead_man:", (READERS, "test_what_the_operators_page_lets_enforce_is_one_selector")),
    ("docs/platform-teams.md", "kms:Decrypt", ALLOWS),
    ("docs/platform-teams.md", "FindCostwatch", ENOUGH),
    ("docs/platform-teams.md", "CostwatchTagsOfThePlatform", TAGS),
    ("docs/platform-teams.md", "account:", ACCEPTED),
    ("docs/res.md", "$ costwatch res", SCORED),
    ("docs/res.md", "res:", (RES, "test_a_shown_configuration_is_valid")),
    ("docs/res.md", "guardrails:\n", ACCEPTED),
    ("docs/spending.md", "Forecast ", (OUTPUTS, "test_a_shown_line_of_a_card_is_the_demos")),
    ("docs/spending.md", "$ costwatch spend", (DEMO, "test_the_page_about_spending_shows_what_the_demo_prints")),
    ("docs/spending.md", "multipliers:", ACCEPTED),
    ("docs/spending.md", "$ costwatch status --would-have", (TYPED, "test_the_shown_would_haves_are_printed_so")),
)
"""Page, a part that no other block of the page has, and the test that tries it."""
COMMANDS = {
    ".venv/bin/python -m demo --auto --page slack.html": (
        DEMO,
        "test_the_page_of_what_slack_received_is_kept_where_it_was_asked_for",
    ),
    ".venv/bin/python -m pytest tests/unit/test_selection.py": (CONTRIBUTORS, "test_what_contributors_break_goes_red"),
    "cdk deploy": (DEPLOY, "test_every_resource_of_the_template_exists_as_it_was_declared"),
    "pip install costwatch_client-0.1.0-py3-none-any.whl": (
        "tests/client/test_wheel.py",
        "test_the_wheel_runs_by_itself",
    ),
    "python -m bench.estimates": (
        "tests/unit/test_bench_estimates.py",
        "test_it_measures_every_kind_and_names_the_machine",
    ),
    "python -m bench.price_book": (
        "tests/unit/test_bench_price_book.py",
        "test_it_opens_a_book_in_a_new_process_and_says_what_each_part_took",
    ),
    "python -m bench.res_replay FILE.npz": (
        "tests/unit/test_res_replay_files.py",
        "test_the_table_has_a_line_for_each_policy",
    ),
    "python -m bench.res_replay FILE.npz --json": (
        "tests/unit/test_res_replay_files.py",
        "test_the_json_has_the_shape_that_scripts_read",
    ),
    "python -m costwatch_client --check": ("tests/client/test_check.py", "test_all_well_is_said_line_by_line"),
}
"""Of programs beside `costwatch`, `aws` and `make`, which are run or read whatever they are asked for."""


def all_blocks() -> list[Block]:
    """Those that are not typed line by line."""
    found = [block for page in docs.PAGES for block in docs.blocks(page)]
    return [block for block in found if not block.is_shell or docs.is_script(block)]


def others() -> Iterator[Command]:
    for page in docs.PAGES:
        for command in docs.commands(page):
            if docs.program_of(command.text) not in {"aws", "costwatch", "make"}:
                yield command


def tried(page: str, text: str) -> list[tuple[str, str]]:
    return [test for where, part, test in BLOCKS if where == page and part in text]


@pytest.mark.parametrize("block", all_blocks(), ids=lambda block: f"{block.page}:{block.line}")
def test_every_block_of_every_page_is_tried_by_a_test(block: Block) -> None:
    assert len(tried(block.page, block.text)) == 1, f"{block.text}\nneeds a test, and a row in BLOCKS"


@pytest.mark.parametrize(("page", "part", "test"), BLOCKS)
def test_each_row_is_about_one_block_and_its_test_is_there(page: str, part: str, test: tuple[str, str]) -> None:
    assert len([block for block in all_blocks() if block.page == page and part in block.text]) == 1
    assert_is_there(*test)


def test_every_other_command_is_tried_by_a_test() -> None:
    shown = {variant for command in others() for variant in docs.variants(command.text)}
    assert shown == set(COMMANDS)


@pytest.mark.parametrize("test", COMMANDS.values())
def test_what_tries_another_command_is_there(test: tuple[str, str]) -> None:
    assert_is_there(*test)


def assert_is_there(file: str, name: str) -> None:
    assert re.search(rf"^def {name}", (docs.ROOT / file).read_text("utf-8"), re.MULTILINE), f"{file}::{name}"


@pytest.mark.parametrize("page", docs.PAGES)
def test_every_block_of_a_page_is_seen(page: str) -> None:
    assert len(docs.blocks(page)) * 2 == len(re.findall(r"^ *```", docs.read(page), re.MULTILINE))
