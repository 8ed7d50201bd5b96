"""Configuration that is wrong in one place: refused with its file, line and key, and with what was expected there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.refusals import TOP, refusal

ENFORCING = "dead_man:\n  selectors:\n    - {name: a, mode: enforce, "
DURATION = "is not a duration such as 12h, 90m, 2d, 1h30m or PT12H"

# Rows hold what comes after `version` (line 1) and `regions` (line 2), so their first line is line 3.
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
    "multiplier of percent": (
        "prices: {multipliers: {ec2: 71}}",
        3,
        "prices.multipliers.ec2",
        "71 is not a multiplier above 0 and up to 2, such as 0.71 for 29% off",
    ),
    "multiplier of nothing": ("prices: {multipliers: {ec2: 0}}", 3, "prices.multipliers.ec2", "0 is not a multiplier"),
    "multiplier that is no number": (
        "prices: {multipliers: {ec2: cheap}}",
        3,
        "prices.multipliers.ec2",
        "'cheap' is not a multiplier",
    ),
    "multiplier that is not finite": (
        "prices: {multipliers: {ec2: .nan}}",
        3,
        "prices.multipliers.ec2",
        "is not a multiplier above 0 and up to 2",
    ),
    "multiplier with a slip": (
        "prices: {multipliers: {ec2: '1_0e-1'}}",
        3,
        "prices.multipliers.ec2",
        "'1_0e-1' is not a multiplier",
    ),
    "multiplier of true": (
        "prices: {multipliers: {ec2: true}}",
        3,
        "prices.multipliers.ec2",
        "true is not a multiplier",
    ),
    "multiplier of an unknown service": (
        "prices: {multipliers: {s3: 0.5}}",
        3,
        "prices.multipliers.s3",
        "'s3' is not whose prices are multiplied, such as ec2:p4d.24xlarge",
    ),
    "multiplier of a SageMaker type under ec2": (
        'prices: {multipliers: {"ec2:ml.p4d": 0.5}}',
        3,
        "prices.multipliers.ec2:ml.p4d",
        "is not whose prices are multiplied",
    ),
    "unknown key of prices": ("prices: {multiplier: {}}", 3, "prices.multiplier", "did you mean 'multipliers'?"),
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
