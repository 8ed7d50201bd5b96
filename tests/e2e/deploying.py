"""The real stack, deployed by the real command line into an empty account."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from moto.events.models import Rule

from costwatch import names
from demo.embedded import EmbeddedAws
from tests.e2e import cdk, cloudformation_gaps
from tests.e2e.deployed import Clock, Deployed


@contextmanager
def deploying(config: Path, directory: Path) -> Iterator[Deployed]:
    """Bootstrap, synthesize and deploy `config`; the account ends with the block. `directory` is empty."""
    clock, empty = Clock(), directory / "empty"
    empty.mkdir()
    with EmbeddedAws(clock=clock) as aws, cloudformation_gaps.installed(aws), _schedules_hear_no_events():
        assembly = directory / "cdk.out"
        with (
            cdk.bootstrap(aws, empty=empty) as bootstrapping,
            cdk.synth(aws, config=config, out=assembly) as synthesizing,
        ):
            bootstrapping.finish()
            synthesizing.finish()
        with cdk.deploy(aws, assembly=assembly) as running:
            running.finish()
        template = json.loads((assembly / f"{names.STACK}.template.json").read_text("utf-8"))
        yield _deployed(aws, clock, config, template, directory)


@contextmanager
def deploying_packaged(config: Path, directory: Path) -> Iterator[Deployed]:
    """The same without the CDK's bootstrap: `costwatch package` into a bucket, and CloudFormation from there."""
    clock, assembly, bucket = Clock(), directory / "cdk.out", "localhost-code"
    with EmbeddedAws(clock=clock) as aws, cloudformation_gaps.installed(aws), _schedules_hear_no_events():
        with cdk.synth(aws, config=config, out=assembly) as synthesizing:
            synthesizing.finish()
        aws.client("s3").create_bucket(Bucket=bucket)
        done = subprocess.run(
            [sys.executable, "-m", "costwatch.cli", "package", "--bucket", bucket, "--assembly", str(assembly),
             "--config", str(config), "--json"],
            env=cdk.environment(aws), capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        then = " ".join(json.loads(done.stdout)["then"])
        (address,) = re.findall(r"--template-url (\S+)", then)
        (capability,) = re.findall(r"--capabilities (\S+)", then)
        aws.client("cloudformation").create_stack(StackName=names.STACK, TemplateURL=address, Capabilities=[capability])
        body = aws.client("s3").get_object(Bucket=bucket, Key=address.partition(f"/{bucket}/")[2])["Body"]
        yield _deployed(aws, clock, config, json.loads(body.read()), directory)


def _deployed(aws: EmbeddedAws, clock: Clock, config: Path, template: dict[str, Any], directory: Path) -> Deployed:
    parameters = {name: each["Default"] for name, each in template.get("Parameters", {}).items()}
    return Deployed(
        aws=aws,
        clock=clock,
        template=template,
        physical=_physical_ids(aws) | parameters,
        config=config,
        code=_unpacked(aws, template, parameters, directory / "code"),
    )


@contextmanager
def _schedules_hear_no_events() -> Iterator[None]:
    """moto takes a rule without a pattern for one that matches everything, and fails on its target."""
    hand_over = Rule.send_to_targets

    def only_by_pattern(rule: Any, *args: Any, **kwargs: Any) -> None:
        if rule.event_pattern.get_pattern():
            hand_over(rule, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "send_to_targets", only_by_pattern)
        yield


def _physical_ids(aws: EmbeddedAws) -> dict[str, str]:
    pages = aws.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=names.STACK)
    listed = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return {each["LogicalResourceId"]: each.get("PhysicalResourceId", "") for each in listed}


def _unpacked(aws: EmbeddedAws, template: dict[str, Any], parameters: Mapping[str, str], directory: Path) -> Path:
    """The zip that was uploaded; the functions share one."""
    functions = [r for r in template["Resources"].values() if r["Type"] == "AWS::Lambda::Function"]
    (place,) = {json.dumps(each["Properties"]["Code"], sort_keys=True) for each in functions}
    where = {
        name: parameters[value["Ref"]] if isinstance(value, dict) else value
        for name, value in json.loads(place).items()
    }
    body = aws.client("s3").get_object(Bucket=where["S3Bucket"], Key=where["S3Key"])["Body"]
    archive = directory.with_suffix(".zip")
    archive.write_bytes(body.read())
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(directory)
    return directory
