"""What a valid costwatch.yaml means: its defaults, its warnings and the policy compiled from it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any

import botocore.session
import pytest
import yaml

from costwatch.config import commit, compiler, loader, regions
from costwatch.config.loader import Loaded
from costwatch.config.model import parse
from costwatch.core.policy import Limits, Mode, Policy, PurchaseOption, Selector, Service
from costwatch.errors import ConfigError

SAMPLE = Path(__file__).parents[2] / "costwatch.yaml"
TOP = "version: 1\nregions: [us-east-1]\nemail: {to: [ml-platform@example.com]}\n"


def load(tmp_path: Path, content: str) -> Loaded:
    path = tmp_path / "costwatch.yaml"
    path.write_text(content, encoding="utf-8")
    return loader.load(path)


def policy(tmp_path: Path, content: str) -> Policy:
    return Policy.from_document(load(tmp_path, content).policy_document)


def warned(tmp_path: Path, content: str) -> list[str]:
    return [line.removeprefix(f"{tmp_path}/") for line in load(tmp_path, content).warnings]


# --- the committed sample ----------------------------------------------------------------------------------------


def test_the_committed_sample_is_valid_and_warns_about_nothing() -> None:
    loaded = loader.load(SAMPLE)
    assert loaded.warnings == ()
    assert loaded.path == SAMPLE


def test_the_committed_sample_stops_nobody() -> None:
    made = Policy.from_document(loader.load(SAMPLE).policy_document)
    assert made.mode is Mode.OBSERVE
    assert {selector.mode for selector in made.selectors} == {Mode.OBSERVE}


def test_what_the_sample_leaves_commented_out_is_valid_too(tmp_path: Path) -> None:
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    optional = "account|slack|  platform_channel|  team_channels|  warn_owner_by|  token_parameter|email|  to"
    optional += "|prices|  multipliers|  signing_secret_parameter|  app_id|  workspace|  weekly_digest"
    shown = [re.sub(rf"^# ({optional}):", r"\1:", line) for line in lines]
    shown = [re.sub(r"^(  +)# (approvers|remind_before|roles):", r"\1\2:", line) for line in shown]
    models = shown.index("  # models:")
    end = models + shown[models:].index("")
    shown[models:end] = [line.replace("# ", "", 1) for line in shown[models:end]]
    config = load(tmp_path, "\n".join(shown)).config
    assert config.account == "111122223333"
    assert config.slack.platform_channel == "#ml-platform"
    assert config.email.to == ("ml-platform@example.com",)
    assert config.prices.multipliers == {"ec2:p4d": Decimal("0.71"), "sagemaker": Decimal("0.9")}
    assert (config.slack.app_id, config.slack.workspace) == ("A012AB3CD", "T012AB3CD")
    assert len(config.approval.tiers[0].approvers) == 3
    assert config.approval.remind_before == timedelta(hours=4)
    assert config.approval.roles == ("arn:aws:iam::111122223333:role/trainer",)
    assert config.res.approvers == ("@risk-leads", "U012AB3CD")
    assert [len(model.guardrails) for model in config.res.models.values()] == [2]


def test_the_values_the_sample_spells_out_are_the_defaults() -> None:
    sample, bare = loader.load(SAMPLE).config, parse({"version": 1, "regions": ["us-east-1"]})
    assert sample.tags == bare.tags
    left_out = {"protect", "selectors"}
    assert sample.dead_man.model_dump(exclude=left_out) == bare.dead_man.model_dump(exclude=left_out)
    assert sample.approval == bare.approval
    assert sample.res == bare.res


# --- reading -----------------------------------------------------------------------------------------------------


def test_regions_are_told_without_importing_botocore() -> None:
    code = "import sys; from costwatch.config import regions; assert regions.known(); print('botocore' in sys.modules)"
    env = os.environ | {"PYTHONPATH": str(SAMPLE.parent / "lambdas")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


def test_every_region_that_sessions_know_is_known() -> None:
    session = botocore.session.get_session()
    partitions = session.get_available_partitions()
    assert {r for p in partitions for r in session.get_available_regions("ec2", p)} <= regions.known()
    assert not [region for region in regions.known() if not re.fullmatch(r"[a-z]+(-[a-z]+)+-\d", region)]


def test_without_botocores_list_any_region_that_looks_like_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regions, "known", frozenset)
    assert parse({"version": 1, "regions": ["mars-north-1"]}).home_region == "mars-north-1"


def test_the_first_region_is_the_home_region() -> None:
    assert parse({"version": 1, "regions": ["eu-west-1", "us-east-1"]}).home_region == "eu-west-1"


@pytest.mark.parametrize("word", ["off", "observe", "warn", "enforce"])
def test_a_mode_is_read_as_a_word_even_off(tmp_path: Path, word: str) -> None:
    assert load(tmp_path, f"{TOP}dead_man: {{mode: {word}}}").config.dead_man.mode.value == word


def test_words_that_old_yaml_takes_for_booleans_or_numbers_stay_text(tmp_path: Path) -> None:
    tags = "{a: yes, b: 1_000, c: 2026-12-01, d: 0x1f}"
    config = load(tmp_path, f"{TOP}dead_man: {{protect: [{{tag: {tags}}}]}}").config
    assert config.dead_man.protect[0].tag == {"a": ("yes",), "b": ("1_000",), "c": ("2026-12-01",), "d": ("0x1f",)}


def test_quoted_numbers_and_booleans_are_tag_values(tmp_path: Path) -> None:
    config = load(tmp_path, f"{TOP}dead_man: {{protect: [{{tag: {{a: 'true', b: \"012\", c: ''}}}}]}}").config
    assert config.dead_man.protect[0].tag == {"a": ("true",), "b": ("012",), "c": ("",)}


def test_one_tag_value_and_a_list_of_one_mean_the_same(tmp_path: Path) -> None:
    one = load(tmp_path, f"{TOP}dead_man: {{protect: [{{tag: {{a: b}}}}]}}").policy_document
    many = load(tmp_path, f"{TOP}dead_man: {{protect: [{{tag: {{a: [b]}}}}]}}").policy_document
    assert one == many


def test_the_short_form_of_sagemaker_means_jobs(tmp_path: Path) -> None:
    short = load(tmp_path, f"{TOP}dead_man: {{selectors: [{{name: a, sagemaker: [training]}}]}}").config
    long = load(tmp_path, f"{TOP}dead_man: {{selectors: [{{name: a, sagemaker: {{jobs: [training]}}}}]}}").config
    assert short == long


def test_anchors_and_merge_keys_work_and_the_nearer_value_wins(tmp_path: Path) -> None:
    made = policy(
        tmp_path,
        TOP
        + dedent(
            """\
            dead_man:
              selectors:
                - &base
                  name: first
                  max_runtime: 20h
                  warn_before: 2h
                  ec2: &which {tag: {Purpose: training}}
                - <<: *base
                  name: second
                  max_runtime: 10h
                - {<<: [{warn_before: 3h}, *base], name: third}
            """
        ),
    )
    assert [(s.name, s.limits.max_runtime, s.limits.warn_before) for s in made.selectors] == [
        ("first", timedelta(hours=20), timedelta(hours=2)),
        ("second", timedelta(hours=10), timedelta(hours=2)),
        ("third", timedelta(hours=20), timedelta(hours=3)),
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert load(tmp_path, f"\ufeff{TOP}").config.version == 1


@pytest.mark.parametrize(
    "dead_man",
    [
        "{warn_before: 30m, min_notice: 30m}",
        "{warn_before: 1m, min_notice: 1m}",
        "{max_runtime: 72h, hard_cap: 72h}",
        "{sweep_every: 1m}",
        "{sweep_every: 60m}",
        "{sweep_every: 120s}",
        "{blast_cap: {runs: 20, per_day: 20}}",
        "{blast_cap: {share: 1%}}",
        "{blast_cap: {share: 100%}}",
        "{extend: {buttons: [24h], owner_total: 24h}}",
        "{selectors: [{name: a, mode: warn, ec2: {types: ['p4d.*']}}]}",
        "{selectors: [{name: a, mode: observe, ec2: {tag: {k: 'a*'}}}]}",
        "{mode: enforce, selectors: [{name: a, mode: observe, ec2: {}}]}",
        "{mode: enforce, selectors: [{name: a, ec2: {tag: {'aws:createdBy': x}}}]}",
    ],
)
def test_a_value_exactly_at_its_limit_is_accepted(tmp_path: Path, dead_man: str) -> None:
    load(tmp_path, f"{TOP}dead_man: {dead_man}")


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-5", "us-gov-west-1", "mx-central-1", "eusc-de-east-1"])
def test_regions_of_every_partition_are_known(region: str) -> None:
    assert parse({"version": 1, "regions": [region]}).home_region == region


# --- warnings ----------------------------------------------------------------------------------------------------


def test_no_selectors_are_allowed_with_a_warning(tmp_path: Path) -> None:
    assert warned(tmp_path, f"{TOP}dead_man:\n  selectors: []") == [
        "costwatch.yaml:5: dead_man.selectors: no selectors: nothing is watched yet"
    ]


@pytest.mark.parametrize(("min_notice", "count"), [("14m", 1), ("15m", 0)])
def test_a_short_notice_before_a_stop_is_warned_about(tmp_path: Path, min_notice: str, count: int) -> None:
    selectors = "[{name: a, ec2: {tag: {k: v}}}]"
    content = f"{TOP}dead_man: {{mode: enforce, min_notice: {min_notice}, selectors: {selectors}}}"
    told = warned(tmp_path, content)
    assert len(told) == count
    assert all("min_notice: 14m is little time" in line for line in told)


def test_a_short_notice_in_warn_stops_nobody_and_is_not_warned_about(tmp_path: Path) -> None:
    content = f"{TOP}dead_man: {{mode: warn, min_notice: 1m, selectors: [{{name: a, ec2: {{tag: {{k: v}}}}}}]}}"
    assert warned(tmp_path, content) == []


@pytest.mark.parametrize("mode", ["warn", "enforce"])
def test_notices_that_nobody_can_take_are_warned_about(tmp_path: Path, mode: str) -> None:
    selectors = f"[{{name: a, mode: {mode}, ec2: {{tag: {{k: v}}}}}}]"
    content = f"version: 1\nregions: [us-east-1]\ndead_man: {{selectors: {selectors}}}"
    (told,) = warned(tmp_path, content)
    assert told.startswith("costwatch.yaml:3: dead_man: nobody can take a notice")


def test_a_mode_that_off_overrides_is_warned_about(tmp_path: Path) -> None:
    content = f"{TOP}dead_man:\n  mode: off\n  selectors:\n    - {{name: a, mode: enforce, ec2: {{tag: {{k: v}}}}}}"
    assert warned(tmp_path, content) == [
        "costwatch.yaml:7: dead_man.selectors[0].mode: enforce has no effect: dead_man.mode is off"
    ]


def test_a_selector_that_is_never_reached_is_warned_about(tmp_path: Path) -> None:
    selectors = "{name: all, sagemaker: [training]}, {name: some, sagemaker: {jobs: [training], tag: {k: v}}}"
    (told,) = warned(tmp_path, f"{TOP}dead_man: {{selectors: [{selectors}]}}")
    assert told.endswith("dead_man.selectors[1].name: never reached: 'all' above it already picks everything it could")


def test_kinds_of_an_entry_that_are_never_reached_are_warned_about_each(tmp_path: Path) -> None:
    selectors = "{name: all, sagemaker: [training, automl]}, {name: some, sagemaker: [tuning, training]}"
    (told,) = warned(tmp_path, f"{TOP}dead_man: {{selectors: [{selectors}]}}")
    never = "never reached for training: 'all' above it already picks all of those that it could"
    assert told.endswith(f"dead_man.selectors[1].sagemaker: {never}")


def test_an_entry_whose_kinds_are_all_picked_by_several_above_it_is_never_reached(tmp_path: Path) -> None:
    selectors = (
        "{name: a, sagemaker: [training]}, {name: b, sagemaker: [tuning]}, {name: c, sagemaker: [tuning, training]}"
    )
    (told,) = warned(tmp_path, f"{TOP}dead_man: {{selectors: [{selectors}]}}")
    assert told.endswith(
        "dead_man.selectors[2].name: never reached: 'b' and 'a' above it already pick everything it could"
    )


SPOT_P4D = "ec2: {tag: {k: [v, w]}, types: ['p4d.*', 'g5.*'], purchase: spot}"


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (SPOT_P4D, SPOT_P4D),
        (SPOT_P4D, "ec2: {tag: {k: v}, types: [p4d.24xlarge], purchase: spot}"),
        (SPOT_P4D, "ec2: {tag: {k: w, other: x}, types: ['g5.*', p4d.24xlarge], purchase: spot}"),
        ("ec2: {tag: {k: v}}", "ec2: {tag: {k: v}, types: ['p5.*']}"),
        ("ec2: {tag: {k: v}}", "ec2: {tag: {k: v}, purchase: spot}"),
        ("ec2: {types: ['p*']}", "ec2: {types: ['p4d*.*', 'p5?.48xlarge']}"),
        ("ec2: {types: ['p?.48xlarge']}", "ec2: {types: [p5.48xlarge]}"),
        (
            "sagemaker: {jobs: [training], tag: {k: v}}",
            "sagemaker: {jobs: [training], tag: {k: v}, types: ['ml.p5.*']}",
        ),
    ],
)
def test_a_selector_inside_one_above_it_is_warned_about_with_both_names(
    earlier: str, later: str, tmp_path: Path
) -> None:
    told = warned(tmp_path, f"{TOP}dead_man: {{selectors: [{{name: a, {earlier}}}, {{name: b, {later}}}]}}")
    never = "dead_man.selectors[1].name: never reached: 'a' above it already picks everything it could"
    assert [line for line in told if "never reached" in line] == [f"costwatch.yaml:4: {never}"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (SPOT_P4D, "ec2: {tag: {k: x}, types: ['p4d.*'], purchase: spot}"),
        (SPOT_P4D, "ec2: {tag: {k: [v, x]}, types: ['p4d.*'], purchase: spot}"),
        (SPOT_P4D, "ec2: {types: ['p4d.*'], purchase: spot}"),
        (SPOT_P4D, "ec2: {tag: {k: v}, types: ['p4d.*', 'p5.*'], purchase: spot}"),
        (SPOT_P4D, "ec2: {tag: {k: v}, purchase: spot}"),
        (SPOT_P4D, "ec2: {tag: {k: v}, types: ['p4d.*']}"),
        (SPOT_P4D, "ec2: {tag: {k: v}, types: ['p4d.*'], purchase: on_demand}"),
        ("ec2: {tag: {k: v}}", "ec2: {tag: {k: v}, purchase: capacity_block}"),
        ("ec2: {types: ['p?.48xlarge']}", "ec2: {types: ['p*.48xlarge']}"),
        ("ec2: {types: [p4d.24xlarge]}", "ec2: {types: ['p4d.*']}"),
        ("ec2: {tag: {k: v}}", "sagemaker: {jobs: [training], tag: {k: v}}"),
    ],
)
def test_a_selector_that_something_still_reaches_is_not(earlier: str, later: str, tmp_path: Path) -> None:
    told = warned(tmp_path, f"{TOP}dead_man: {{selectors: [{{name: a, {earlier}}}, {{name: b, {later}}}]}}")
    assert not any("never reached" in line for line in told)


def test_prepaid_capacity_gets_past_a_selector_that_picks_every_instance(tmp_path: Path) -> None:
    selectors = "{name: all, ec2: {}}, {name: blocks, ec2: {purchase: capacity_block}}"
    told = warned(tmp_path, f"{TOP}dead_man: {{selectors: [{selectors}]}}")
    assert not any("never reached" in line for line in told)


def test_a_warning_that_comes_from_the_first_minute_is_warned_about(tmp_path: Path) -> None:
    content = f"{TOP}dead_man: {{selectors: [{{name: a, ec2: {{tag: {{k: v}}}}, max_runtime: %s}}]}}"
    assert "from their first minute" in warned(tmp_path, content % "1h")[0]
    assert warned(tmp_path, content % "61m") == []


def test_team_channels_without_a_platform_channel_are_warned_about(tmp_path: Path) -> None:
    selectors = "dead_man: {selectors: [{name: a, sagemaker: [training]}]}"
    (told,) = warned(tmp_path, f"{TOP}slack: {{team_channels: {{risk: '#risk'}}}}\n{selectors}")
    assert told.startswith("costwatch.yaml:4: slack.team_channels: not used")


# --- compiling ---------------------------------------------------------------------------------------------------

FULL = """\
version: 1
account: "111122223333"
regions: [us-east-1, eu-west-1]
timezone: Europe/Berlin
tags: {owner: Owner}
slack: {platform_channel: "#ml-platform", team_channels: {risk: "#risk-ml"}, warn_owner_by: team_channel}
dead_man:
  mode: warn
  sweep_every: 10m
  blast_cap: {runs: 3, share: 12.5%, per_day: 9}
  protect: [{tag: {Environment: [prod, live]}}, {asg: "inference-*"}]
  max_runtime: PT12H
  warn_before: 90m
  extend: {buttons: [4h], owner_total: 1d}
  selectors:
    - name: spot
      mode: enforce
      ec2: {tag: {Purpose: training}, types: ["p4d.*"], purchase: spot}
      max_runtime: 1d
    - name: jobs
      sagemaker: {jobs: [training], tag: {team: [a, b]}, types: ["ml.p4d.*"]}
      min_notice: 45m
      hard_cap: 2d
"""


def test_the_policy_reads_back_what_the_file_says(tmp_path: Path) -> None:
    made = policy(tmp_path, FULL)
    assert (made.account, made.regions, made.timezone) == ("111122223333", ("us-east-1", "eu-west-1"), "Europe/Berlin")
    assert (made.tags.owner, made.tags.run, made.tags.exempt) == ("Owner", "costwatch:run", "costwatch:exempt")
    assert made.slack.platform_channel == "#ml-platform"
    assert made.slack.team_channels == {"risk": "#risk-ml"}
    assert made.slack.warn_owner_by == "team_channel"
    assert (made.mode, made.sweep_every) == (Mode.WARN, timedelta(minutes=10))
    assert (made.blast_cap.runs, made.blast_cap.share, made.blast_cap.per_day) == (3, Decimal("0.125"), 9)
    assert [rule.describe() for rule in made.protect] == [
        "protect: tag Environment=prod|live",
        "protect: asg inference-*",
    ]
    assert (made.extend_steps, made.extend_owner_total) == ((timedelta(hours=4),), timedelta(days=1))
    spot, jobs = made.selectors
    assert (spot.name, spot.mode, spot.service) == ("spot", Mode.ENFORCE, Service.EC2)
    assert spot.purchase is PurchaseOption.SPOT
    assert (spot.tags, spot.types) == ({"Purpose": ("training",)}, ("p4d.*",))
    assert spot.limits == Limits(
        timedelta(days=1), timedelta(minutes=90), timedelta(minutes=30), timedelta(hours=72), timedelta(hours=2)
    )
    assert (jobs.name, jobs.mode, jobs.service, jobs.purchase) == ("jobs", Mode.WARN, Service.TRAINING, None)
    assert (jobs.tags, jobs.types) == ({"team": ("a", "b")}, ("ml.p4d.*",))
    assert jobs.limits == Limits(
        timedelta(hours=12), timedelta(minutes=90), timedelta(minutes=45), timedelta(days=2), timedelta(hours=2)
    )


def test_what_becomes_of_a_group_at_its_minimum_is_the_selectors_word_else_the_switchs(tmp_path: Path) -> None:
    selectors = (
        "selectors: [{name: a, ec2: {tag: {a: b}}}, {name: b, ec2: {tag: {b: c}}, at_min_size: hold, "
        "az_rebalance: accept}, {name: c, sagemaker: [training]}]"
    )
    found = policy(tmp_path, f"{TOP}dead_man: {{at_min_size: lower, {selectors}}}").selectors
    assert [s.at_min_size.value for s in found] == ["lower", "hold", "hold"]
    assert [s.az_rebalance.value for s in found] == ["hold", "accept", "hold"]
    cautious = policy(tmp_path, f"{TOP}dead_man: {{{selectors}}}").selectors
    assert [s.at_min_size.value for s in cautious] == ["hold", "hold", "hold"]


def test_lowering_for_a_selector_that_stops_instances_is_warned_about(tmp_path: Path) -> None:
    selector = "{name: a, ec2: {tag: {a: b}, purchase: on_demand}, action: stop, at_min_size: lower}"
    told = warned(tmp_path, f"{TOP}dead_man: {{selectors: [{selector}]}}")
    assert len(told) == 1
    assert "lower has no effect with `action: stop`" in told[0]


def test_off_for_the_switch_is_off_for_every_selector(tmp_path: Path) -> None:
    made = policy(tmp_path, FULL.replace("mode: warn\n", "mode: off\n"))
    assert {selector.mode for selector in made.selectors} == {Mode.OFF}


KINDS = """
version: 1
regions: [us-east-1]
slack: {platform_channel: "#ml"}
dead_man:
  mode: MODE
  max_runtime: 8h
  selectors:
    - name: sagemaker
      sagemaker: {jobs: [training, tuning, processing, automl], tag: {Purpose: ml}}
      LINE
"""


def of_kinds(tmp_path: Path, *, mode: str = "enforce", line: str = "") -> dict[str, Selector]:
    made = policy(tmp_path, KINDS.replace("MODE", mode).replace("LINE", line))
    assert [selector.name for selector in made.selectors] == [
        "sagemaker/training", "sagemaker/tuning", "sagemaker/processing", "sagemaker/automl",
    ]  # fmt: skip
    return {selector.service.value: selector for selector in made.selectors}


def test_an_entry_of_several_kinds_is_one_selector_for_each(tmp_path: Path) -> None:
    for kind, selector in of_kinds(tmp_path).items():
        assert (selector.service.value, selector.tags) == (kind, {"Purpose": ("ml",)})


def test_an_entry_of_one_kind_keeps_its_name(tmp_path: Path) -> None:
    made = policy(tmp_path, KINDS.replace("MODE", "warn").replace("LINE", "").replace(
        "[training, tuning, processing, automl]", "[tuning]"))  # fmt: skip
    assert [(selector.name, selector.service) for selector in made.selectors] == [("sagemaker", Service.TUNING)]


@pytest.mark.parametrize(
    ("mode", "tuning"), [("off", "off"), ("observe", "observe"), ("warn", "warn"), ("enforce", "warn")]
)
def test_jobs_with_children_are_only_warned_about_unless_the_entry_says_more(
    tmp_path: Path, mode: str, tuning: str
) -> None:
    found = of_kinds(tmp_path, mode=mode)
    assert (found["training"].mode.value, found["processing"].mode.value) == (mode, mode)
    assert (found["tuning"].mode.value, found["automl"].mode.value) == (tuning, tuning)


def test_a_mode_that_the_entry_names_is_every_kinds(tmp_path: Path) -> None:
    found = of_kinds(tmp_path, mode="observe", line="mode: enforce")
    assert {selector.mode for selector in found.values()} == {Mode.ENFORCE}


def test_jobs_with_children_have_72_hours_and_the_others_what_dead_man_says(tmp_path: Path) -> None:
    hours = {kind: selector.limits.max_runtime / timedelta(hours=1) for kind, selector in of_kinds(tmp_path).items()}
    assert hours == {"training": 8, "processing": 8, "tuning": 72, "automl": 72}


def test_a_limit_that_the_entry_names_is_every_kinds(tmp_path: Path) -> None:
    found = of_kinds(tmp_path, line="max_runtime: 20h")
    assert {selector.limits.max_runtime for selector in found.values()} == {timedelta(hours=20)}


def test_the_72_hours_end_at_the_hard_cap(tmp_path: Path) -> None:
    found = of_kinds(tmp_path, line="hard_cap: 30h")
    assert found["tuning"].limits.max_runtime == timedelta(hours=30)


def test_declared_keeps_each_kinds_own_limit_for_jobs_that_declare_none(tmp_path: Path) -> None:
    found = of_kinds(tmp_path, line="max_runtime: declared")
    assert all(selector.limits.declared for selector in found.values())
    hours = {kind: selector.limits.max_runtime / timedelta(hours=1) for kind, selector in found.items()}
    assert hours == {"training": 8, "processing": 8, "tuning": 72, "automl": 72}
    assert not any(selector.limits.declared for selector in of_kinds(tmp_path).values())


def test_a_selector_of_tuning_jobs_needs_no_tag_where_it_only_warns(tmp_path: Path) -> None:
    untagged = KINDS.replace("MODE", "enforce").replace("{jobs: [training, tuning, processing, automl], tag: {Purpose: "
                                                        "ml}}", "[tuning]").replace("LINE", "")  # fmt: skip
    assert policy(tmp_path, untagged).selectors[0].mode is Mode.WARN


def document(content: str, of: str = "uncommitted") -> dict[str, Any]:
    return compiler.compile_policy(parse(yaml.safe_load(content)), config_commit=of)


def test_the_digest_depends_neither_on_comments_nor_on_the_commit(tmp_path: Path) -> None:
    plain = document(FULL)
    assert document(FULL.replace("dead_man:", "# why\ndead_man:"), "0123abc")["digest"] == plain["digest"]
    assert document(FULL, "0123abc")["config_commit"] == "0123abc"


def test_the_digest_does_not_depend_on_the_order_of_keys() -> None:
    first, *rest = FULL.split("\ndead_man:\n", 1)
    reordered = "dead_man:\n" + rest[0] + "\n".join(reversed(first.splitlines())) + "\n"
    assert document(reordered)["digest"] == document(FULL)["digest"]


def test_the_digest_does_not_depend_on_how_a_value_is_written() -> None:
    other = FULL.replace("PT12H", "12h").replace("12.5%", "12.50%").replace("1d", "24h")
    assert document(other)["digest"] == document(FULL)["digest"]


@pytest.mark.parametrize(
    ("share", "text"),
    [("20%", "0.2"), ("20.00%", "0.2"), ("10%", "0.1"), ("100%", "1"), ("1%", "0.01"), ("12.5%", "0.125")],
)
def test_a_share_has_one_text_however_it_is_written(share: str, text: str) -> None:
    body = document(FULL.replace("12.5%", share))["policy"]
    assert body["blast_cap"]["share"] == text


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("mode: enforce", "mode: warn"),
        ("max_runtime: 1d", "max_runtime: 25h"),
        ("[prod, live]", "[prod]"),
        ("spot}", "on_demand}"),
    ],
)
def test_the_digest_changes_with_what_is_decided_by(was: str, becomes: str) -> None:
    assert document(FULL.replace(was, becomes))["digest"] != document(FULL)["digest"]


def test_the_order_of_selectors_is_part_of_the_policy() -> None:
    one = "version: 1\nregions: [us-east-1]\ndead_man: {selectors: [{name: a, ec2: {}}, {name: b, ec2: {}}]}"
    two = "version: 1\nregions: [us-east-1]\ndead_man: {selectors: [{name: b, ec2: {}}, {name: a, ec2: {}}]}"
    assert document(one)["digest"] != document(two)["digest"]


# --- the commit --------------------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=env, check=True, capture_output=True, text=True, timeout=30
    )
    return done.stdout.strip()


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    path = tmp_path / "costwatch.yaml"
    path.write_text(FULL, encoding="utf-8")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "costwatch.yaml")
    git(tmp_path, "commit", "-q", "-m", "configure")
    return path


def test_a_committed_file_carries_the_commit_that_last_changed_it(committed: Path) -> None:
    first = git(committed.parent, "rev-parse", "HEAD")
    (committed.parent / "other").write_text("x", encoding="utf-8")
    git(committed.parent, "add", "other")
    git(committed.parent, "commit", "-q", "-m", "something else")
    assert commit.config_commit(committed) == first
    assert loader.load(committed).policy_document["config_commit"] == first


def test_an_edited_file_is_marked_as_dirty(committed: Path) -> None:
    head = git(committed.parent, "rev-parse", "HEAD")
    committed.write_text(FULL + "# edited\n", encoding="utf-8")
    assert commit.config_commit(committed) == f"{head}-dirty"
    git(committed.parent, "add", "costwatch.yaml")
    assert commit.config_commit(committed) == f"{head}-dirty"


def test_an_untracked_file_is_uncommitted(committed: Path) -> None:
    other = committed.with_name("[c]ostwatch.yaml")  # as a pattern it would match the committed one
    other.write_text(FULL, encoding="utf-8")
    assert commit.config_commit(other) == "uncommitted"


def test_a_file_outside_of_git_is_uncommitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    path = tmp_path / "costwatch.yaml"
    path.write_text(FULL, encoding="utf-8")
    assert commit.config_commit(path) == "uncommitted"


def test_a_machine_without_git_is_no_obstacle(committed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(committed.parent))
    assert commit.config_commit(committed) == "uncommitted"


def test_the_repository_a_hook_runs_for_does_not_answer_for_another(
    committed: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = git(committed.parent, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("elsewhere")))
    assert commit.config_commit(committed) == head


def test_a_protected_tag_with_a_wildcard_is_refused_since_it_would_protect_nothing(tmp_path: Path) -> None:
    content = TOP + 'dead_man:\n  protect:\n    - tag: {Environment: "prod*"}\n'
    with pytest.raises(ConfigError, match=r"costwatch\.yaml:6: dead_man\.protect\[0\].*compared exactly"):
        load(tmp_path, content)


# --- prices --------------------------------------------------------------------------------------------------------


def test_negotiated_discounts_reach_the_policy_digit_by_digit(tmp_path: Path) -> None:
    made = policy(
        tmp_path, TOP + 'prices: {multipliers: {"ec2:p4d": 0.71, ec2: "0.9", "sagemaker:ml.p5.48xlarge": 2}}\n'
    )
    assert made.multipliers == {
        "ec2:p4d": Decimal("0.71"),
        "ec2": Decimal("0.9"),
        "sagemaker:ml.p5.48xlarge": Decimal(2),
    }


def test_without_discounts_the_policy_has_none_and_its_digest_is_as_if_prices_were_not_there(tmp_path: Path) -> None:
    without, empty = (policy(tmp_path, TOP + more) for more in ("", "prices: {multipliers: {}}\n"))
    assert without.multipliers == {}
    assert without.digest == empty.digest


def test_a_discount_is_part_of_what_is_decided_by(tmp_path: Path) -> None:
    digests = {
        policy(tmp_path, f"{TOP}prices: {{multipliers: {{ec2: {by}}}}}\n").digest for by in ("0.7", "0.70", "0.8")
    }
    assert len(digests) == 2
