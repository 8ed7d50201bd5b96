"""Every wrong costwatch.yaml names file, line, key and what was expected."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from costwatch.config import loader, source
from costwatch.core.policy import Policy
from costwatch.errors import ConfigError


def refusal(tmp_path: Path, content: str | bytes) -> list[str]:
    """The lines of the refusal, with the folder taken off."""
    path = tmp_path / "costwatch.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as raised:
        loader.load(path)
    return [line.removeprefix(f"{tmp_path}/") for line in str(raised.value).splitlines()]


# Rows hold what comes after `version` (line 1) and `regions` (line 2), so their first line is line 3.
TOP = "version: 1\nregions: [us-east-1]\n"
ENFORCING = "dead_man:\n  selectors:\n    - {name: a, mode: enforce, "
DURATION = "is not a duration such as 12h, 90m, 2d, 1h30m or PT12H"

ONE_PROBLEM = {
    # misspelt and misplaced keys
    "misspelt key": ("dead_man:\n  max_runtme: 12h", 4, "dead_man.max_runtme", "did you mean 'max_runtime'?"),
    "key with hyphens": ("dead_man: {warn-before: 1h}", 3, "dead_man.warn-before", "did you mean 'warn_before'?"),
    "unknown key": ("zebra: 1", 3, "zebra", "unknown key; expected one of version, account, regions"),
    "key one level too high": ("selectors: []", 3, "selectors", "unknown key; it belongs under dead_man"),
    "misspelt tag name": ("tags:\n  onwer: x", 4, "tags.onwer", "did you mean 'owner'?"),
    "unknown key in ec2": (
        "dead_man: {selectors: [{name: a, ec2: {tags: {a: b}}}]}",
        3,
        "dead_man.selectors[0].ec2.tags",
        "did you mean 'tag'?",
    ),
    # keys of later guards
    "approval": ("approval: {mode: warn}", 3, "approval", "not in this version"),
    "res": ("res: {mode: observe}", 3, "res", "not in this version"),
    "prices": ("prices: {multipliers: {}}", 3, "prices", "not in this version"),
    "budgets": ("budgets: []", 3, "budgets", "not in this version"),
    "finish_grace": ("dead_man: {finish_grace: 2}", 3, "dead_man.finish_grace", "a bare number has no unit"),
    "heartbeat tag": ("tags: {heartbeat: owner}", 3, "tags.heartbeat", "'owner' already means owner"),
    "heartbeat too often": (
        "dead_man: {selectors: [{name: a, ec2: {types: [p4d.*]}, heartbeat: 4m59s}]}",
        3,
        "dead_man.selectors[0].heartbeat",
        "'4m59s' is shorter than 5m: the training client beats no more often than that",
    ),
    "at_min_size": (
        "dead_man: {selectors: [{name: a, ec2: {types: [p4d.*]}, at_min_size: lowered}]}",
        3,
        "dead_man.selectors[0].at_min_size",
        "'lowered' is not one of hold, lower; did you mean 'lower'?",
    ),
    "at_min_size of jobs": (
        "dead_man: {selectors: [{name: a, sagemaker: [training], at_min_size: lower}]}",
        3,
        "dead_man.selectors[0].at_min_size",
        "is for Auto Scaling groups of EC2 instances: leave it out",
    ),
    "at_min_size as the default": (
        "dead_man: {at_min_size: true}",
        3,
        "dead_man.at_min_size",
        "true is not one of hold, lower",
    ),
    "az_rebalance": (
        "dead_man: {selectors: [{name: a, ec2: {types: [p4d.*]}, az_rebalance: yes}]}",
        3,
        "dead_man.selectors[0].az_rebalance",
        "'yes' is not one of hold, accept",
    ),
    "az_rebalance of jobs": (
        "dead_man: {selectors: [{name: a, sagemaker: [training], az_rebalance: accept}]}",
        3,
        "dead_man.selectors[0].az_rebalance",
        "is for Auto Scaling groups of EC2 instances: leave it out",
    ),
    "action": (
        "dead_man: {selectors: [{name: a, ec2: {types: [p4d.*]}, action: kill}]}",
        3,
        "dead_man.selectors[0].action",
        "'kill' is not one of terminate, stop",
    ),
    "action of a job": (
        "dead_man: {selectors: [{name: a, sagemaker: [training], action: stop}]}",
        3,
        "dead_man.selectors[0].action",
        "is for EC2 instances; a SageMaker job can only be stopped: leave it out",
    ),
    "a type without its size": (
        "dead_man: {selectors: [{name: a, ec2: {types: [p4d]}}]}",
        3,
        "dead_man.selectors[0].ec2.types[0]",
        "'p4d' names no size, so it matches nothing; expected like 'p4d.*'",
    ),
    "a SageMaker type without its size": (
        "dead_man: {selectors: [{name: a, sagemaker: {jobs: [training], types: [ml.p4d]}}]}",
        3,
        "dead_man.selectors[0].sagemaker.types[0]",
        "expected like 'ml.p4d.*'",
    ),
    "no types": (
        "dead_man: {selectors: [{name: a, ec2: {types: []}}]}",
        3,
        "dead_man.selectors[0].ec2.types",
        "an empty list matches nothing",
    ),
    "no SageMaker types": (
        "dead_man: {selectors: [{name: a, sagemaker: {jobs: [training], types: []}}]}",
        3,
        "dead_man.selectors[0].sagemaker.types",
        "an empty list matches nothing",
    ),
    "a selector that picks by the run tag": (
        "tags: {run: Purpose}\ndead_man: {selectors: [{name: a, ec2: {tag: {Purpose: training}}}]}",
        4,
        "dead_man.selectors[0].ec2.tag.Purpose",
        "'Purpose' is the run tag: all that this selector picks would be one run",
    ),
    "a selector that picks by the run tag's default": (
        'dead_man: {selectors: [{name: a, sagemaker: {jobs: [training], tag: {"costwatch:run": llm}}}]}',
        3,
        "dead_man.selectors[0].sagemaker.tag.costwatch:run",
        "is the run tag",
    ),
    "a protect value with a blank before it": (
        'dead_man: {protect: [{tag: {Environment: " prod"}}]}',
        3,
        "dead_man.protect[0].tag.Environment",
        "begins or ends with a blank",
    ),
    "a protect value with a blank after it": (
        'dead_man: {protect: [{tag: {Environment: [dev, "prod "]}}]}',
        3,
        "dead_man.protect[0].tag.Environment[1]",
        "begins or ends with a blank",
    ),
    "a kind of job twice": (
        "dead_man:\n  selectors:\n    - name: a\n      sagemaker: [training, tuning, training]",
        6,
        "dead_man.selectors[0].sagemaker[2]",
        "'training' is listed twice",
    ),
    "a kind of job twice in the long form": (
        "dead_man: {selectors: [{name: a, sagemaker: {jobs: [tuning, tuning]}}]}",
        3,
        "dead_man.selectors[0].sagemaker.jobs[1]",
        "'tuning' is listed twice",
    ),
    "types of an AutoML job": (
        "dead_man: {selectors: [{name: a, sagemaker: {jobs: [automl], types: ['ml.g5.*']}}]}",
        3,
        "dead_man.selectors[0].sagemaker.types",
        "an AutoML job chooses its instance types itself",
    ),
    "declared for all": (
        "dead_man: {max_runtime: declared}",
        3,
        "dead_man.max_runtime",
        "'declared' is for selectors of SageMaker jobs",
    ),
    "declared for instances": (
        "dead_man: {selectors: [{name: a, ec2: {}, max_runtime: declared}]}",
        3,
        "dead_man.selectors[0].max_runtime",
        "'declared' is for SageMaker jobs, an instance declares nothing",
    ),
    "a misspelt declared": (
        "dead_man: {selectors: [{name: a, sagemaker: [training], max_runtime: Declared}]}",
        3,
        "dead_man.selectors[0].max_runtime",
        DURATION,
    ),
    # durations
    "bare number": ("dead_man:\n  max_runtime: 12", 4, "dead_man.max_runtime", f"'12' {DURATION} (a bare number"),
    "quoted number": ("dead_man: {max_runtime: '12'}", 3, "dead_man.max_runtime", f"'12' {DURATION} (a bare number"),
    "fraction": ("dead_man: {max_runtime: 1.5}", 3, "dead_man.max_runtime", f"'1.5' {DURATION} (a bare number"),
    "unknown unit": ("dead_man: {max_runtime: 12w}", 3, "dead_man.max_runtime", f"'12w' {DURATION}"),
    "zero": ("dead_man: {warn_before: 0h}", 3, "dead_man.warn_before", "must be longer than zero"),
    "clock time": ("dead_man: {max_runtime: 1:30}", 3, "dead_man.max_runtime", f"'1:30' {DURATION}"),
    "boolean duration": ("dead_man: {max_runtime: true}", 3, "dead_man.max_runtime", f"true {DURATION}"),
    "list as duration": ("dead_man: {max_runtime: [12h]}", 3, "dead_man.max_runtime", f"a list {DURATION}"),
    # limits that contradict each other
    "warning after the notice began": (
        "dead_man:\n  min_notice: 30m\n  warn_before: 29m",
        4,
        "dead_man.min_notice",
        "min_notice (30m) is longer than warn_before (29m)",
    ),
    "warning shorter than the default notice": (
        "dead_man:\n  warn_before: 29m",
        4,
        "dead_man.warn_before",
        "min_notice (30m, the default) is longer than warn_before (29m)",
    ),
    "runtime past the hard cap": (
        "dead_man:\n  max_runtime: 73h",
        4,
        "dead_man.max_runtime",
        "max_runtime (73h) is longer than hard_cap (72h, the default)",
    ),
    "selector past the inherited hard cap": (
        "dead_man:\n  hard_cap: 20h\n  selectors:\n    - name: a\n      sagemaker: [training]\n      max_runtime: 21h",
        8,
        "dead_man.selectors[0].max_runtime",
        "max_runtime (21h) is longer than hard_cap (20h, from dead_man)",
    ),
    "notice under a minute": (
        "dead_man:\n  min_notice: 59s",
        4,
        "dead_man.min_notice",
        "'59s' is shorter than 1m",
    ),
    # the schedule
    "sweep of half minutes": (
        "dead_man: {sweep_every: 90s}",
        3,
        "dead_man.sweep_every",
        "'90s' is not a whole number of minutes from 1m to 60m",
    ),
    "sweep too often": ("dead_man: {sweep_every: 30s}", 3, "dead_man.sweep_every", "from 1m to 60m"),
    "sweep too seldom": ("dead_man: {sweep_every: 61m}", 3, "dead_man.sweep_every", "from 1m to 60m"),
    # caps
    "share without percent": ("dead_man: {blast_cap: {share: 20}}", 3, "dead_man.blast_cap.share", "such as 20%"),
    "share as fraction": ("dead_man: {blast_cap: {share: 0.2}}", 3, "dead_man.blast_cap.share", "such as 20%"),
    "share of nothing": ("dead_man: {blast_cap: {share: 0%}}", 3, "dead_man.blast_cap.share", "outside 1% to 100%"),
    "share under one": ("dead_man: {blast_cap: {share: 0.99%}}", 3, "dead_man.blast_cap.share", "outside 1% to 100%"),
    "share over all": ("dead_man: {blast_cap: {share: 101%}}", 3, "dead_man.blast_cap.share", "outside 1% to 100%"),
    "no runs": ("dead_man: {blast_cap: {runs: 0}}", 3, "dead_man.blast_cap.runs", "whole number from 1"),
    "boolean runs": ("dead_man: {blast_cap: {runs: true}}", 3, "dead_man.blast_cap.runs", "true is not a whole number"),
    "runs as text": ("dead_man: {blast_cap: {runs: '5'}}", 3, "dead_man.blast_cap.runs", "'5' is not a whole number"),
    "half a run": ("dead_man: {blast_cap: {runs: 2.0}}", 3, "dead_man.blast_cap.runs", "2.0 is not a whole number"),
    "day smaller than sweep": (
        "dead_man:\n  blast_cap:\n    runs: 5\n    per_day: 4",
        6,
        "dead_man.blast_cap.per_day",
        "per_day (4) is smaller than runs (5)",
    ),
    "sweep larger than the default day": (
        "dead_man: {blast_cap: {runs: 21}}",
        3,
        "dead_man.blast_cap.runs",
        "per_day (20) is smaller than runs (21)",
    ),
    # words
    "misspelt mode": ("dead_man: {mode: enfroce}", 3, "dead_man.mode", "did you mean 'enforce'?"),
    "mode in capitals": ("dead_man: {mode: OFF}", 3, "dead_man.mode", "not one of off, observe, warn, enforce"),
    "mode as boolean": ("dead_man: {mode: false}", 3, "dead_man.mode", "false is not one of off, observe"),
    "purchase": (
        "dead_man: {selectors: [{name: a, ec2: {purchase: on-demand}}]}",
        3,
        "dead_man.selectors[0].ec2.purchase",
        "did you mean 'on_demand'?",
    ),
    "warn_owner_by": ("slack: {warn_owner_by: phone}", 3, "slack.warn_owner_by", "not one of dm, team_channel"),
    # places
    "region as account": ("timezone: UTC\naccount: us-east-1", 4, "account", "a quoted account id of 12 digits"),
    "bare account": ("account: 111122223333", 3, "account", "a bare number is not a quoted account id of 12 digits"),
    "account with leading zero": ("account: 012345678901", 3, "account", "put it in quotes"),
    "short account": ("account: '11112222333'", 3, "account", "12 digits"),
    "unknown zone": ("timezone: Europe/Berln", 3, "timezone", "did you mean 'Europe/Berlin'?"),
    "zone with wrong case": ("timezone: europe/berlin", 3, "timezone", "an IANA time zone"),
    "zone that climbs": ("timezone: ../../etc/passwd", 3, "timezone", "an IANA time zone"),
    # tags
    "boolean tag value": (
        "dead_man:\n  protect:\n    - tag: {keep: true}",
        5,
        "dead_man.protect[0].tag.keep",
        "a bare true is a YAML boolean, expected a tag value: put it in quotes",
    ),
    "number as tag value": (
        "dead_man:\n  protect:\n    - tag: {cost-center: 12}",
        5,
        "dead_man.protect[0].tag.cost-center",
        "a bare number is not a tag value: put it in quotes",
    ),
    "number among tag values": (
        "dead_man:\n  protect:\n    - tag:\n        k:\n          - a\n          - 12",
        8,
        "dead_man.protect[0].tag.k[1]",
        "put it in quotes",
    ),
    "empty tag values": ("dead_man: {protect: [{tag: {k: []}}]}", 3, "dead_man.protect[0].tag.k", "an empty list"),
    "mapping as tag value": (
        "dead_man: {protect: [{tag: {k: {}}}]}",
        3,
        "dead_man.protect[0].tag.k",
        "a mapping is not",
    ),
    "long tag key": (f"tags: {{owner: {'k' * 129}}}", 3, "tags.owner", "a tag key of 1 to 128"),
    "number as tag name": ("tags: {owner: 1}", 3, "tags.owner", "a bare number is not a tag key: put it in quotes"),
    "one tag for two things": ("tags:\n  team: owner", 4, "tags.team", "'owner' already means owner"),
    "the never tag": ("tags: {exempt: 'costwatch:never'}", 3, "tags.exempt", "already means never"),
    # protect
    "protect by both": ("dead_man: {protect: [{tag: {a: b}, asg: c}]}", 3, "dead_man.protect[0]", "exactly one of tag"),
    "protect by nothing": ("dead_man:\n  protect:\n    - {}", 5, "dead_man.protect[0]", "exactly one of tag and asg"),
    "protect not a list": ("dead_man: {protect: {asg: a}}", 3, "dead_man.protect", "a mapping is not a list"),
    "empty group name": ("dead_man: {protect: [{asg: ''}]}", 3, "dead_man.protect[0].asg", "Auto Scaling group names"),
    # slack and mail
    "unquoted channel": ("slack:\n  platform_channel: #ml", 4, "slack.platform_channel", "YAML takes it for a comment"),
    "channel without hash": ("slack: {platform_channel: ml}", 3, "slack.platform_channel", "starts with #"),
    "team channel": ("slack: {team_channels: {risk: 'a b'}}", 3, "slack.team_channels.risk", "a Slack channel such as"),
    "relative parameter": ("slack: {token_parameter: token}", 3, "slack.token_parameter", "name of an SSM parameter"),
    "reserved parameter": ("slack: {token_parameter: /aws/x}", 3, "slack.token_parameter", "name of an SSM parameter"),
    "no address": ("email: {to: [ml-platform]}", 3, "email.to[0]", "an e-mail address such as"),
    "address not in a list": ("email: {to: a@example.com}", 3, "email.to", "write it in [brackets]"),
    "address twice": ("email:\n  to:\n    - a@example.com\n    - a@example.com", 6, "email.to[1]", "listed twice"),
    # extend
    "no buttons": ("dead_man: {extend: {buttons: []}}", 3, "dead_man.extend.buttons", "expected 1 to 4"),
    "too many buttons": ("dead_man: {extend: {buttons: [1h, 2h, 3h, 4h, 5h]}}", 3, "dead_man.extend.buttons", "1 to 4"),
    "button twice": ("dead_man: {extend: {buttons: [60m, 1h]}}", 3, "dead_man.extend.buttons[1]", "offered twice"),
    "button past the total": (
        "dead_man:\n  extend:\n    buttons: [25h]",
        5,
        "dead_man.extend.buttons[0]",
        "'25h' is longer than owner_total (24h)",
    ),
    "total under the default button": (
        "dead_man: {extend: {owner_total: 11h}}",
        3,
        "dead_man.extend.owner_total",
        "'12h' is longer than owner_total (11h)",
    ),
    # selectors
    "no name": ("dead_man:\n  selectors:\n    - ec2: {}", 5, "dead_man.selectors[0].name", "is required"),
    "name in capitals": (
        "dead_man: {selectors: [{name: A, ec2: {}}]}",
        3,
        "dead_man.selectors[0].name",
        "a-z, 0-9 and -",
    ),
    "name too long": (
        f"dead_man: {{selectors: [{{name: {'a' * 41}, ec2: {{}}}}]}}",
        3,
        "dead_man.selectors[0].name",
        "1 to 40 characters",
    ),
    "name twice": (
        "dead_man:\n  selectors:\n    - {name: a, ec2: {}}\n    - {name: a, sagemaker: [training]}",
        6,
        "dead_man.selectors[1].name",
        "'a' is already the name of selectors[0]",
    ),
    "no service": (
        "dead_man: {selectors: [{name: a}]}",
        3,
        "dead_man.selectors[0]",
        "exactly one of ec2 and sagemaker",
    ),
    "both services": (
        "dead_man: {selectors: [{name: a, ec2: {}, sagemaker: [training]}]}",
        3,
        "dead_man.selectors[0]",
        "exactly one of ec2 and sagemaker",
    ),
    "no jobs": (
        "dead_man: {selectors: [{name: a, sagemaker: []}]}",
        3,
        "dead_man.selectors[0].sagemaker",
        "names no kind of job; expected one of training, processing, tuning, automl",
    ),
    "job as text": (
        "dead_man: {selectors: [{name: a, sagemaker: training}]}",
        3,
        "dead_man.selectors[0].sagemaker",
        "'training' is not a mapping",
    ),
    "unknown job": (
        "dead_man: {selectors: [{name: a, sagemaker: [inference]}]}",
        3,
        "dead_man.selectors[0].sagemaker",
        "expected one of training, processing, tuning, automl",
    ),
    "types not in a list": (
        "dead_man: {selectors: [{name: a, ec2: {types: p4d.*}}]}",
        3,
        "dead_man.selectors[0].ec2.types",
        "'p4d.*' is not a list",
    ),
    "training type at ec2": (
        "dead_man: {selectors: [{name: a, ec2: {types: [ml.p4d.24xlarge]}}]}",
        3,
        "dead_man.selectors[0].ec2.types[0]",
        "ml. types belong to SageMaker",
    ),
    "ec2 type at training": (
        "dead_man: {selectors: [{name: a, sagemaker: {jobs: [training], types: [p4d.*]}}]}",
        3,
        "dead_man.selectors[0].sagemaker.types[0]",
        "it starts with ml.",
    ),
    "purchase at training": (
        "dead_man: {selectors: [{name: a, sagemaker: {jobs: [training], purchase: spot}}]}",
        3,
        "dead_man.selectors[0].sagemaker.purchase",
        "unknown key; it belongs under ec2 of a selector",
    ),
    # enforce
    "enforce without a tag": (
        f"{ENFORCING}ec2: {{types: [p4d.*]}}}}",
        5,
        "dead_man.selectors[0].ec2",
        "must name a tag",
    ),
    "enforce on all training": (
        f"{ENFORCING}sagemaker: [training]}}",
        5,
        "dead_man.selectors[0].sagemaker",
        "in mode enforce a selector must name a tag",
    ),
    "inherited enforce without a tag": (
        "dead_man: {mode: enforce, selectors: [{name: a, ec2: {}}]}",
        3,
        "dead_man.selectors[0].ec2",
        "must name a tag",
    ),
    "star in an enforced value": (
        f"{ENFORCING}ec2: {{tag: {{k: 'a*'}}}}}}",
        5,
        "dead_man.selectors[0].ec2.tag.k",
        "'*'",
    ),
    "question mark in an enforced value": (
        f"{ENFORCING}ec2: {{tag: {{k: [a, 'b?']}}}}}}",
        5,
        "dead_man.selectors[0].ec2.tag.k",
        "'?'",
    ),
    "variable in an enforced value": (
        f"{ENFORCING}ec2: {{tag: {{k: '${{aws:username}}'}}}}}}",
        5,
        "dead_man.selectors[0].ec2.tag.k",
        "which IAM would interpret",
    ),
    "star in an enforced key": (
        f"{ENFORCING}ec2: {{tag: {{'k*': a}}}}}}",
        5,
        "dead_man.selectors[0].ec2.tag.k*",
        "'*'",
    ),
    "enforced keys that differ in case": (
        f"{ENFORCING}ec2: {{tag: {{Purpose: a, purpose: a}}}}}}",
        5,
        "dead_man.selectors[0].ec2.tag.purpose",
        "differs from 'Purpose' only in case",
    ),
    # shapes
    "key without a value": ("slack:\n", 3, "slack", "has no value; write one or remove the line"),
    "list item without a value": ("dead_man:\n  selectors:\n    -\n", 5, "dead_man.selectors[0]", "has no value"),
    "text for a mapping": ("dead_man: observe", 3, "dead_man", "'observe' is not a mapping"),
    "list for a mapping": ("slack: []", 3, "slack", "a list is not a mapping"),
    "text for a selector": ("dead_man: {selectors: [a]}", 3, "dead_man.selectors[0]", "'a' is not a mapping"),
    "duplicate key": (
        "dead_man:\n  mode: observe\n  mode: enforce",
        5,
        "dead_man.mode",
        "set twice; the first is on line 4",
    ),
    "duplicate at the top": ("regions: [eu-west-1]", 3, "regions", "set twice; the first is on line 2"),
}


@pytest.mark.parametrize(("content", "line", "key", "expectation"), ONE_PROBLEM.values(), ids=ONE_PROBLEM.keys())
def test_a_wrong_value_is_refused_with_file_line_key_and_expectation(
    tmp_path: Path, content: str, line: int, key: str, expectation: str
) -> None:
    told = refusal(tmp_path, TOP + content)
    assert len(told) == 1, told
    assert told[0].startswith(f"costwatch.yaml:{line}: {key}: ")
    assert expectation in told[0]


REGIONS_AND_VERSION = {
    "no version": ("regions: [us-east-1]", 1, "version", "is required"),
    "no regions": ("version: 1", 1, "regions", "is required"),
    "version of the future": ("version: 2\nregions: [us-east-1]", 1, "version", "expected 1"),
    "version as text": ("version: '1'\nregions: [us-east-1]", 1, "version", "expected 1"),
    "version as boolean": ("version: true\nregions: [us-east-1]", 1, "version", "expected 1"),
    "no region": ("version: 1\nregions: []", 2, "regions", "at least one, the first is the home region"),
    "one region as text": ("version: 1\nregions: us-east-1", 2, "regions", "is not a list"),
    "a zone": ("version: 1\nregions: [us-east-1a]", 2, "regions[0]", "did you mean 'us-east-1'?"),
    "no AWS region": ("version: 1\nregions: [virginia]", 2, "regions[0]", "an AWS region such as us-east-1"),
    "a region misspelt": ("version: 1\nregions: [us-esat-1]", 2, "regions[0]", "knows; did you mean 'us-east-1'?"),
    "a region nobody has": (
        "version: 1\nregions: [mars-north-1]",
        2,
        "regions[0]",
        "A newer region needs a newer boto3",
    ),
    "a partition's pseudo region": ("version: 1\nregions: [aws-global]", 2, "regions[0]", "an AWS region such as"),
    "regions of two partitions": (
        "version: 1\nregions: [us-east-1, cn-north-1]",
        2,
        "regions[1]",
        "'cn-north-1' is of partition aws-cn and 'us-east-1' of aws: deploy once in each",
    ),
    "region twice": ("version: 1\nregions: [us-east-1, us-east-1]", 2, "regions[1]", "listed twice"),
}


@pytest.mark.parametrize(
    ("content", "line", "key", "expectation"), REGIONS_AND_VERSION.values(), ids=REGIONS_AND_VERSION.keys()
)
def test_version_and_regions_are_required_and_checked(
    tmp_path: Path, content: str, line: int, key: str, expectation: str
) -> None:
    (told,) = refusal(tmp_path, content)
    assert told.startswith(f"costwatch.yaml:{line}: {key}: ")
    assert expectation in told


UNREADABLE = {
    "empty": (b"", 1, "is empty; expected a mapping that starts with `version: 1`"),
    "only comments": (b"# nothing\n", 1, "is empty"),
    "only a null": (b"~\n", 1, "is empty"),
    "a list at the top": (b"\n- version: 1\n", 2, "holds a list at the top; expected a mapping"),
    "text at the top": (b"version 1\n", 1, "holds a single value at the top"),
    "a tab": (b"version: 1\ndead_man:\n\tmode: off\n", 3, "a tab; YAML indents with spaces only"),
    "an open bracket": (b"version: 1\nregions: [us-east-1\nx: y", 3, "not YAML: "),
    "two documents": (b"version: 1\n---\nversion: 1\n", 2, "not one YAML document"),
    "Latin-1": (b"version: 1\n# Z\xfcrich\n", 2, "byte 0xfc is not UTF-8"),
    "UTF-16": ("version: 1".encode("utf-16"), 1, "byte 0xff is not UTF-8"),
    "a control character": (b"version: 1\nregions: [\x07]\n", 2, "character U+0007 is not allowed in YAML"),
    "an unknown YAML tag": (b"version: 1\nregions: !!python/name:os.system x\n", 2, "is not used here"),
    "an anchor that contains itself": (b"version: 1\nregions: &r [*r]\n", 2, "an anchor that contains itself"),
    "a first key below": (
        b"version: 1\n  regions: [a]\n",
        2,
        "not YAML: indented by 2 spaces, below line 1 which has its value already; expected 0",
    ),
    "a key too deep in a list": (
        b"a:\n  - name: a\n      ec2: 1\n",
        3,
        "indented by 6 spaces, below line 2 which has its value already; expected 4",
    ),
    "a key that fits nothing": (
        b"dead_man:\n    mode: off\n  warn: 1\n",
        3,
        "indented by 2 spaces, which fits no line above; expected 4 as on line 2 or 0 as on line 1",
    ),
    "a key that fits no list item": (
        b"a:\n  - name: a\n    ec2: 1\n   mode: b\n",
        4,
        "indented by 3 spaces, which fits no line above; expected 4 as on line 3",
    ),
    "a key that does not stand below its item's first": (
        b"a:\n  - name: a\n   mode: b\n",
        3,
        "indented by 3 spaces, which fits no line above; expected 4 as on line 2",
    ),
    "a list item that fits nothing": (
        b"a:\n  - b\n - c\n",
        3,
        "indented by 1 space, which fits no line above; expected 2 as on line 2",
    ),
    "a key among list items": (
        b"a:\n  - b\n  c: d\n",
        3,
        "a key among the list items that begin on line 2; expected `- `",
    ),
    "a list item among keys": (b"a:\n  b: c\n  - d\n", 3, "a list item among the keys that begin on line 2"),
    "no colon": (
        b"version: 1\nregions\ndead_man: 1\n",
        2,
        "no `key: value`; expected a colon and a space after the key",
    ),
    "no space after the colon": (b"version: 1\nregions:[a]\n", 2, "expected a colon and a space"),
    "no space after the dash": (b"a:\n  -b\n  -c: d\n", 3, "a list item without a space after its dash; expected `- `"),
    "two colons": (b"a: b: c\n", 1, "a second `:` in one line"),
    "an open brace": (b"a: {b: c\nd: e\n", 2, "the { of line 1 is still open; expected a comma or }"),
    "a closing bracket too many": (b"a: [b]]\n", 1, "a closing ] that nothing opened"),
    "an open quote": (b"a: 'b\nc: d\n", 1, "a quote that is never closed"),
    "text after a quote": (b'a: "b" c\nd: e\n', 1, "put the whole of it in quotes"),
    "a bare wildcard": (b"types: *.xlarge\n", 1, "a value that begins with *; expected it in quotes"),
    "a bare mention": (b"a: @here\n", 1, "a value that begins with @; expected it in quotes"),
    "a stray backslash": (b'a: "\\q"\n', 1, "a backslash that escapes nothing"),
    "keys at the top in two columns": (b"  version: 1\nregions: [a]\n", 2, "not in the column of the first key"),
    "an alias that is not there": (b"version: 1\nregions: *r\n", 2, "is an alias, and nothing has that name"),
    "a merge of text": (b"version: 1\n<<: text\n", 2, "merges mappings only"),
    "deep nesting": (b"a: " + b"[" * 500 + b"]" * 500, 1, "nested too deeply"),
    "too large": (b"#" * 1_000_001, 1, "is larger than 1,000,000 bytes"),
}


@pytest.mark.parametrize(("content", "line", "expectation"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_file_that_is_no_yaml_mapping_is_refused_in_one_line(
    tmp_path: Path, content: bytes, line: int, expectation: str
) -> None:
    (told,) = refusal(tmp_path, content)
    assert told.startswith(f"costwatch.yaml:{line}: ")
    assert expectation in told


def test_aliases_that_multiply_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 12))
    (told,) = refusal(tmp_path, f"l0: &l0 [x]\n{levels}")
    assert "values once aliases are followed" in told


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        loader.load(tmp_path / "nowhere.yaml")


def test_a_directory_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory"):
        loader.load(tmp_path)


def test_a_key_that_is_not_text_is_asked_to_be_quoted(tmp_path: Path) -> None:
    told = refusal(tmp_path, TOP + "dead_man:\n  protect:\n    - tag: {a: b, 12: c}")
    assert told == ["costwatch.yaml:5: dead_man.protect[0].tag.12: is a key that is not text: put it in quotes"]


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    told = refusal(
        tmp_path,
        dedent(
            """\
            version: 1
            account: 111122223333
            regions: [us-east-1]
            slack:
              platform_chanel: "#ml"
            dead_man:
              mode: enforce
              max_runtime: 12
              warn_before: 10m
              selectors:
                - name: all
                  ec2: {types: ["p4d.*"]}
                - name: all
                  ec2: {tag: {Purpose: true}}
                  max_runtime: 100h
              mode: observe
            approval: {}
            """
        ),
    )
    assert [line.split(": ")[0] + ": " + line.split(": ")[1] for line in told] == [
        "costwatch.yaml:2: account",
        "costwatch.yaml:5: slack.platform_chanel",
        "costwatch.yaml:8: dead_man.max_runtime",
        "costwatch.yaml:9: dead_man.warn_before",
        "costwatch.yaml:12: dead_man.selectors[0].ec2",
        "costwatch.yaml:13: dead_man.selectors[1].name",
        "costwatch.yaml:14: dead_man.selectors[1].ec2.tag.Purpose",
        "costwatch.yaml:15: dead_man.selectors[1].max_runtime",
        "costwatch.yaml:16: dead_man.mode",
        "costwatch.yaml:17: approval",
    ]


def test_a_key_that_would_break_the_line_is_escaped(tmp_path: Path) -> None:
    (told,) = refusal(tmp_path, TOP + '"a\\nb\\x1b[31m": 1')
    assert told.startswith(r"costwatch.yaml:3: 'a\nb\x1b[31m': unknown key")


def test_a_token_pasted_where_its_parameter_belongs_is_not_repeated(tmp_path: Path) -> None:
    (told,) = refusal(tmp_path, TOP + "slack: {token_parameter: xoxb-12345-secret}")
    assert "xoxb" not in told


def test_a_problem_behind_an_alias_is_told_where_it_was_written(tmp_path: Path) -> None:
    told = refusal(
        tmp_path,
        TOP
        + dedent(
            """\
            dead_man:
              selectors:
                - name: a
                  sagemaker: [training]
                  <<: &limits
                    max_runtime: 5
                - name: b
                  ec2: {}
                  <<: *limits
            """
        ),
    )
    assert [line.split(": '5'")[0] for line in told] == [
        "costwatch.yaml:8: dead_man.selectors[0].max_runtime",
        "costwatch.yaml:8: dead_man.selectors[1].max_runtime",
    ]


SAMPLE = yaml.safe_load((Path(__file__).parents[2] / "costwatch.yaml").read_text(encoding="utf-8"))
ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["off", "12h", "0s", "20%", "ml.p4d.*", "#ml", "*", "${x}", "us-east-1", "declared", "training"]),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@settings(max_examples=200, deadline=None)
@given(place=st.sampled_from(places(SAMPLE)), value=ODD_VALUES)
def test_any_value_in_any_place_either_compiles_or_is_refused_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[Any, ...], value: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(replaced(SAMPLE, place, value), allow_unicode=True), encoding="utf-8")
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loader, "config_commit", lambda _: "uncommitted")  # git has no part in this
            Policy.from_document(loader.load(path).policy_document)
    except ConfigError as refused:
        lines = str(refused).splitlines()
        assert lines
        assert all(re.match(rf"{re.escape(str(path))}:\d+: ", line) for line in lines), lines


def test_only_what_would_fit_is_offered_for_a_list_item_in_the_wrong_column(tmp_path: Path) -> None:
    (told,) = refusal(tmp_path, b"a:\n  - b\n - c\n")
    assert told.endswith("expected 2 as on line 2")


VALID_LINES = (Path(__file__).parents[2] / "costwatch.yaml").read_text(encoding="utf-8").splitlines()


@given(st.data())
def test_however_a_file_is_broken_the_answer_is_one_line_and_never_a_traceback(data: st.DataObject) -> None:
    lines = VALID_LINES.copy()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        line = lines[at]
        cut = data.draw(st.integers(0, len(line)))
        lines[at] = line[:cut] + data.draw(st.text(" \t-:[]{}'\"*&!@%#,|>?\\ab\n", max_size=3)) + line[cut:]
    told, at = "", 0
    try:
        source.read("\n".join(lines).encode())
    except source.UnreadableSource as error:
        told, at = error.message, error.line
    assert "\n" not in told
    assert 0 <= at <= len("\n".join(lines).splitlines()) + 1
