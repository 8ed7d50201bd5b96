"""costwatch scan over recorded answers: boundaries, what is unknown, regions that do not answer, bad input, size."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, NoCredentialsError, ReadTimeoutError

from costwatch.adapters.prices import SeedPrices
from costwatch.core.accelerators import WILDCARDS, is_accelerator
from costwatch.scan import reading
from costwatch.scan.judging import MOST_READ_AFRESH
from costwatch.scan.reading import Regions
from tests.support.command_line import FakeSts, client_error
from tests.support.scan_fakes import NOW, FakeBoto, FakeEc2, FakeSageMaker, denied, hours_ago, instance

EAST, WEST, FAR = "us-east-1", "us-west-2", "eu-west-1"
ON = "opt-in-not-required"
TIMEOUT = ReadTimeoutError(endpoint_url="https://ec2.example")


def account(*instances: dict[str, Any], **more: Any) -> FakeBoto:
    """One region with these instances."""
    sagemaker = more.pop("sagemaker", FakeSageMaker())
    return FakeBoto({EAST: FakeEc2(list(instances), {EAST: ON}, **more)}, {EAST: sagemaker})


def body(boto: FakeBoto, *arguments: str) -> dict[str, Any]:
    result = boto.costwatch("scan", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def line(boto: FakeBoto) -> dict[str, Any]:
    [found] = body(boto)["lines"]
    return dict(found)


# --- boundaries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "finding"),
    [
        (timedelta(hours=11) - timedelta(seconds=1), "keep"),
        (timedelta(hours=11), "warn"),
        (timedelta(hours=12), "warn"),
        (timedelta(hours=12, seconds=1), "stop"),
    ],
)
def test_the_finding_turns_exactly_at_the_defaults(age: timedelta, finding: str) -> None:
    found = line(account(instance(1, "g5.xlarge", f"{EAST}a", age.total_seconds() / 3600)))
    assert found["finding"] == finding


def test_an_instance_without_a_launch_time_is_unproven_and_not_young() -> None:
    ageless = instance(1, "g5.xlarge", f"{EAST}a", 1)
    del ageless["LaunchTime"]
    found = line(account(ageless))
    assert (found["finding"], found["since"], found["hourly_rate_usd"]) == ("unproven", None, "1.01")
    assert "of unknown age" in account(ageless).costwatch("scan").stdout


def test_termination_protection_is_asked_only_about_what_would_be_stopped() -> None:
    old, young = instance(1, "g5.xlarge", f"{EAST}a", 20), instance(2, "g5.xlarge", f"{EAST}a", 1)
    boto = account(old, young, protected={old["InstanceId"]})
    findings = {each["id"][-1]: each["finding"] for each in body(boto)["lines"]}
    assert findings == {"1": "hold", "2": "keep"}
    assert boto.ec2[EAST].protection_asked == [f"i-{1:017x}"]


def test_protection_that_could_not_be_read_is_said_beside_what_would_be_stopped() -> None:
    boto = account(instance(1, "g5.xlarge", f"{EAST}a", 20), protection_error=denied("DescribeInstanceAttribute"))
    found = line(boto)
    assert found["finding"] == "stop"
    assert "whether it has termination protection was not read" in found["reason"]


def test_where_protection_is_not_read_of_all_it_is_read_of_the_dearest() -> None:
    cheap = [instance(number, "g5.xlarge", f"{EAST}a", 20) for number in range(MOST_READ_AFRESH)]
    dear = instance(999_999, "p5.48xlarge", f"{EAST}a", 20)
    boto = account(*cheap, dear, protected={dear["InstanceId"]})
    lines = body(boto)["lines"]
    assert [each["finding"] for each in lines if each["id"] == dear["InstanceId"]] == ["hold"]
    assert len(boto.ec2[EAST].protection_asked) == MOST_READ_AFRESH
    assert sum("termination protection was not read" in each["reason"] for each in lines) == 1


def test_protection_that_is_not_told_in_time_is_unknown_and_not_absent() -> None:
    over = Event()
    hanging = FakeEc2(wait=lambda: over.wait(30))
    try:
        assert reading.protected(hanging, EAST, ["i-1"], within=timedelta(milliseconds=50)) == {"i-1": None}
        assert reading.protected(hanging, EAST, ["i-1"], within=timedelta(seconds=-1)) == {"i-1": None}
    finally:
        over.set()
    assert reading.protected(FakeEc2(), EAST, ["i-1"]) == {"i-1": False}


# --- what is unknown -------------------------------------------------------------------------------------------------


def test_a_type_without_a_price_is_unknown_and_never_0() -> None:
    result = account(instance(1, "p99.metal", f"{EAST}a", 1)).costwatch("scan")
    assert "unknown" in result.stdout
    assert "Burning $0.00 an hour, $0.00 a month, and 1 without a known price." in result.stdout


def tuning(running: int, *children: str, errors: dict[str, Exception] | None = None) -> FakeSageMaker:
    arn = f"arn:aws:sagemaker:{EAST}:111122223333:hyper-parameter-tuning-job/tune"
    jobs = [
        {"TrainingJobName": name, "TrainingJobArn": f"arn:{name}", "TrainingJobStatus": "InProgress",
         "CreationTime": hours_ago(2)}
        for name in children
    ]  # fmt: skip
    described = {
        ("describe_training_job", name): {
            "TrainingJobName": name, "TrainingJobArn": f"arn:{name}", "TrainingJobStatus": "InProgress",
            "TrainingStartTime": hours_ago(1), "CreationTime": hours_ago(2), "TuningJobArn": arn,
            "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1},
        }
        for name in children
    }  # fmt: skip
    parent = {
        "HyperParameterTuningJobName": "tune", "HyperParameterTuningJobArn": arn,
        "HyperParameterTuningJobStatus": "InProgress", "CreationTime": hours_ago(3),
        "TrainingJobStatusCounters": {"InProgress": running},
    }  # fmt: skip
    described["describe_hyper_parameter_tuning_job", "tune"] = parent
    return FakeSageMaker(
        {"list_training_jobs": jobs, "list_hyper_parameter_tuning_jobs": [parent]}, described, errors or {}
    )


@pytest.mark.parametrize(
    ("sagemaker", "rate"),
    [
        (tuning(2, "a", "b"), "2.82"),
        (tuning(1, "a", "b"), "2.82"),  # the counter may be older than the list
        (tuning(3, "a", "b"), None),
        (tuning(0), "0.00"),
        (tuning(1), None),
        (tuning(0, errors={"list_training_jobs": client_error("AccessDeniedException", "ListTrainingJobs")}), None),
    ],
)
def test_a_parent_costs_what_its_children_cost_or_nobody_knows(sagemaker: FakeSageMaker, rate: str | None) -> None:
    found = line(account(sagemaker=sagemaker))
    assert (found["kind"], found["hourly_rate_usd"]) == ("tuning", rate)


def test_tags_that_cannot_be_read_leave_the_owner_unknown() -> None:
    refused: dict[str, Exception] = {"list_tags": client_error("AccessDeniedException", "ListTags")}
    boto = account(sagemaker=tuning(1, "a", errors=refused))
    assert line(boto)["finding"] == "unproven"
    assert "1 line with tags that could not be read" in boto.costwatch("scan").stdout


def endpoint(*variants: dict[str, Any]) -> FakeSageMaker:
    config = [{"VariantName": each["VariantName"], "InstanceType": each.pop("type", None)} for each in variants]
    return FakeSageMaker(
        {"list_endpoints": [{"EndpointName": "api", "EndpointArn": "arn:api", "EndpointStatus": "InService",
                             "CreationTime": hours_ago(9)}]},
        {
            ("describe_endpoint", "api"): {"EndpointConfigName": "api-config", "ProductionVariants": list(variants)},
            ("describe_endpoint_config", "api-config"): {"ProductionVariants": config},
        },
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sagemaker", "capacity", "rate"),
    [
        (endpoint({"VariantName": "a", "type": "ml.g5.xlarge", "CurrentInstanceCount": 2}), {"ml.g5.xlarge": 2}, None),
        (endpoint({"VariantName": "a", "type": "ml.g5.xlarge", "CurrentInstanceCount": 0}), {}, "0.00"),
        (endpoint({"VariantName": "a", "type": "ml.g5.xlarge"}), None, None),
        (endpoint({"VariantName": "a", "CurrentServerlessConfig": {"MemorySizeInMB": 2048}}), {}, None),
        (
            endpoint({"VariantName": "a", "InstancePools": [
                {"InstanceType": "ml.g5.xlarge", "CurrentInstanceCount": 1},
                {"InstanceType": "ml.g6.xlarge", "CurrentInstanceCount": 3}]}),
            {"ml.g5.xlarge": 1, "ml.g6.xlarge": 3}, None,
        ),
    ],
)  # fmt: skip
def test_an_endpoint_shows_its_machines_of_this_moment(
    sagemaker: FakeSageMaker, capacity: dict[str, int] | None, rate: str | None
) -> None:
    found = line(account(sagemaker=sagemaker))
    assert (found["capacity"], found["hourly_rate_usd"]) == (capacity, rate)


def test_a_job_whose_description_fails_is_a_line_of_its_own() -> None:
    broken = tuning(0, "a", errors={"describe_training_job": client_error("InternalFailure", "DescribeTrainingJob")})
    [found] = [each for each in body(account(sagemaker=broken))["lines"] if each["name"] == "a"]
    assert (found["finding"], found["hourly_rate_usd"], found["evidence"]) == ("unproven", None, "CreationTime")


def test_after_three_that_do_not_answer_no_further_job_is_described() -> None:
    jobs = tuning(0, *(f"job-{number}" for number in range(60)), errors={"describe_training_job": TIMEOUT})
    found = body(account(sagemaker=jobs))["lines"]
    assert [each["finding"] for each in found if each["kind"] == "training"] == ["unproven"] * 60
    assert jobs.asked.count("describe_training_job") < 60


@pytest.mark.parametrize("kind", ["training", "processing"])
def test_a_job_that_takes_one_of_several_types_burns_the_selected_one(kind: str) -> None:
    config = {
        "InstancePreferences": [{"InstanceType": "ml.p5.48xlarge"}, {"InstanceType": "ml.m5.xlarge"}],
        "SelectedInstanceType": "ml.m5.xlarge", "SelectedInstanceCount": 3,
    }  # fmt: skip
    word = kind.capitalize()
    listed = {f"{word}JobName": "flex", f"{word}JobArn": "arn:flex", f"{word}JobStatus": "InProgress",
              "CreationTime": hours_ago(2), f"{word}StartTime": hours_ago(1)}  # fmt: skip
    resources = {"ResourceConfig": config} if kind == "training" else {"ProcessingResources": {"ClusterConfig": config}}
    described = {(f"describe_{kind}_job", "flex"): {**listed, **resources}}
    found = line(account(sagemaker=FakeSageMaker({f"list_{kind}_jobs": [listed]}, described)))
    assert (found["kind"], found["capacity"]) == (kind, {"ml.m5.xlarge": 3})


def test_a_training_job_of_a_labeling_job_is_held_under_its_name() -> None:
    arn = f"arn:aws:sagemaker:{EAST}:111122223333:labeling-job/cats"
    listed = {"TrainingJobName": "auto-1", "TrainingJobArn": "arn:auto-1", "TrainingJobStatus": "InProgress",
              "CreationTime": hours_ago(21), "TrainingStartTime": hours_ago(20), "LabelingJobArn": arn,
              "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1}}  # fmt: skip
    jobs = FakeSageMaker({"list_training_jobs": [listed]}, {("describe_training_job", "auto-1"): listed})
    found = line(account(sagemaker=jobs))
    assert (found["kind"], found["name"], found["finding"]) == ("labeling", "cats", "hold")
    assert (found["group"], [each["id"] for each in found["members"]]) == ("labeling job cats", ["auto-1"])


# --- regions ---------------------------------------------------------------------------------------------------------


def three_regions(**west: Any) -> FakeBoto:
    regions = {EAST: ON, WEST: "opted-in", FAR: "not-opted-in"}
    here = FakeEc2([instance(1, "g5.xlarge", f"{EAST}a", 1)], regions)
    return FakeBoto({EAST: here, WEST: FakeEc2(**west), FAR: FakeEc2(error=TIMEOUT)})


def test_without_regions_all_that_are_enabled_are_read() -> None:
    found = body(three_regions())
    assert (found["regions"], found["regions_not_enabled"]) == ([EAST, WEST], [FAR])


NEW = "us-east-9"


def with_regions(*more: str, instances: int = 1) -> FakeBoto:
    """One region that can be read, and others that AWS lists beside it."""
    found = [instance(n, "g5.xlarge", f"{EAST}a", 1) for n in range(instances)]
    return FakeBoto({EAST: FakeEc2(found, {EAST: ON, **dict.fromkeys(more, ON)})})


@pytest.mark.parametrize("instances", [0, 1])
def test_a_region_that_aws_has_and_boto3_does_not_know_is_a_line_and_in_no_configuration(instances: int) -> None:
    boto = with_regions(NEW, instances=instances)
    found = body(boto)
    assert (found["regions"], len(found["lines"])) == ([EAST, NEW], instances)
    assert [(gap["region"], gap["kind"]) for gap in found["not_read"]] == [(NEW, "not known")]
    assert f"regions: [{EAST}]   #" in found["configuration"]
    told = " ".join(boto.costwatch("scan").stdout.split())
    assert f"1 of 2 regions read ({EAST})" in told
    assert f"Not read: {NEW}: not known here: all services (boto3 " in told
    assert "raise its pins in constraints.txt)" in told


@pytest.mark.parametrize("asked", [(), ("--regions", f"{EAST},cn-north-1,us-gov-west-1")])
def test_regions_of_another_partition_are_left_out_with_a_word(asked: tuple[str, ...]) -> None:
    boto = with_regions("cn-north-1", "us-gov-west-1")
    found = body(boto, *asked)
    assert found["regions"] == [EAST]
    assert found["regions_of_another_partition"] == ["cn-north-1", "us-gov-west-1"]
    assert found["not_read"] == []
    told = " ".join(boto.costwatch("scan", *asked).stdout.split())
    assert f"1 of 1 regions read ({EAST}); of another partition, so not asked: cn-north-1, us-gov-west-1." in told


def test_in_another_partition_its_own_regions_are_the_ones_that_are_read() -> None:
    china = FakeEc2([], {"cn-north-1": ON, EAST: ON})
    boto = FakeBoto({"cn-north-1": china})
    result = boto.costwatch("scan", "--json", environ={"AWS_REGION": "cn-north-1"})
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["regions"], found["regions_of_another_partition"]) == (["cn-north-1"], [EAST])


def test_who_may_not_list_regions_and_names_two_partitions_gets_the_home_partitions() -> None:
    boto = account(instance(1, "g5.xlarge", f"{EAST}a", 1), regions_error=denied("DescribeRegions"))
    found = body(boto, "--regions", f"{EAST},cn-north-1")
    assert (found["regions"], found["regions_of_another_partition"]) == ([EAST], ["cn-north-1"])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (denied("DescribeInstances"), "denied"),
        (client_error("AuthFailure", "DescribeInstances"), "not enabled"),
        (client_error("OptInRequired", "DescribeInstances"), "not enabled"),
        (client_error("RequestLimitExceeded", "DescribeInstances"), "no answer"),
        (ConnectTimeoutError(endpoint_url="https://ec2.example"), "no answer"),
        (client_error("InvalidParameterValue", "DescribeInstances"), "failed"),
    ],
)
def test_a_region_that_fails_is_a_line_and_the_others_are_read(error: Exception, kind: str) -> None:
    found = body(three_regions(error=error))
    assert [(gap["region"], gap["kind"]) for gap in found["not_read"]] == [(WEST, kind)]
    assert len(found["lines"]) == 1


def test_a_region_that_never_answers_is_given_up_and_named() -> None:
    over = Event()
    hanging = FakeEc2(wait=lambda: over.wait(30))
    clients: dict[tuple[str, str], Any] = {
        ("ec2", EAST): FakeEc2([instance(1, "g5.xlarge", f"{EAST}a", 1)]), ("ec2", WEST): hanging,
        ("sagemaker", EAST): FakeSageMaker(), ("sagemaker", WEST): FakeSageMaker(),
    }  # fmt: skip
    try:
        found = reading.read(
            Regions((EAST, WEST), ()),
            lambda service, region: clients[service, region],
            account="111122223333",
            at=NOW,
            give_up_after=timedelta(seconds=1),
        )
    finally:
        over.set()
    assert [(gap.region, gap.operation, gap.kind.value) for gap in found.gaps] == [(WEST, "ec2", "no answer")]
    assert found.regions_found == (EAST,)


def test_a_sagemaker_that_hangs_at_its_first_list_is_not_asked_five_times_more() -> None:
    hanging = FakeSageMaker(errors={"list_training_jobs": TIMEOUT})
    found = body(account(sagemaker=hanging))
    assert [gap["operation"] for gap in found["not_read"]] == ["sagemaker"]
    assert hanging.asked == ["list_training_jobs"]


@pytest.mark.parametrize(("error", "code"), [(denied("DescribeInstances"), 4), (TIMEOUT, 1)])
def test_when_nothing_at_all_could_be_read_the_exit_code_says_so(error: Exception, code: int) -> None:
    first = client_error("AccessDeniedException", "ListX") if code == 4 else TIMEOUT
    lists = ("training_jobs", "processing_jobs", "hyper_parameter_tuning_jobs", "auto_ml_jobs", "notebook_instances",
             "endpoints")  # fmt: skip
    sagemaker = FakeSageMaker(errors={f"list_{name}": first for name in lists})
    result = account(error=error, sagemaker=sagemaker).costwatch("scan")
    assert result.exit_code == code
    assert f"Not read: {EAST}" in result.stdout


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoCredentialsError(), "no AWS credentials were found"),
        (client_error("ExpiredToken", "GetCallerIdentity"), "the AWS credentials have expired"),
    ],
)
def test_credentials_that_are_missing_or_expired_are_one_line(error: Exception, said: str) -> None:
    boto = account()
    boto.sts = FakeSts("", error)
    result = boto.costwatch("scan")
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("regions", ["atlantis-1", f"{EAST},atlantis-1", "us-east-9"])
def test_a_region_that_does_not_exist_is_bad_input(regions: str) -> None:
    result = account().costwatch("scan", "--regions", regions)
    assert result.exit_code == 2
    assert "AWS has no" in result.stderr


def test_who_may_not_list_regions_is_told_to_name_them() -> None:
    boto = account(instance(1, "g5.xlarge", f"{EAST}a", 1), regions_error=denied("DescribeRegions"))
    refused = boto.costwatch("scan")
    assert refused.exit_code == 4
    assert "--regions" in refused.stderr
    assert len(body(boto, "--regions", EAST)["lines"]) == 1


@pytest.mark.parametrize("option", ["--html", "--write"])
def test_a_file_in_a_directory_that_is_not_there_is_told_before_anything_is_read(option: str, tmp_path: Path) -> None:
    boto = account()
    boto.sts = FakeSts("", AssertionError("nothing may be asked yet"))
    result = boto.costwatch("scan", option, str(tmp_path / "no" / "file"))
    assert result.exit_code == 2
    assert "is no directory" in result.stderr


@pytest.mark.parametrize("option", ["--html", "--write"])
def test_a_pipe_is_refused_before_anything_is_read(option: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    boto = account()
    boto.sts = FakeSts("", AssertionError("nothing may be asked yet"))
    result = boto.costwatch("scan", option, str(tmp_path / "pipe"))
    assert result.exit_code == 2
    assert "is no regular file" in " ".join(result.stderr.split())
    assert [each.name for each in tmp_path.iterdir()] == ["pipe"]


def test_a_page_replaces_an_earlier_page_and_no_other_file(tmp_path: Path) -> None:
    page, other = tmp_path / "page.html", tmp_path / "costwatch.yaml"
    other.write_text("mine", "utf-8")
    for _ in range(2):
        assert account().costwatch("scan", "--html", str(page)).exit_code == 0
    boto = account()
    boto.sts = FakeSts("", AssertionError("nothing may be asked for nothing"))
    result = boto.costwatch("scan", "--html", str(other))
    assert result.exit_code == 2
    assert "is no page that costwatch wrote" in " ".join(result.stderr.split())
    assert other.read_text("utf-8") == "mine"


def test_a_fitted_file_keeps_the_one_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "a b.yaml").write_text("mine", "utf-8")
    result = account().costwatch("scan", "--write", str(tmp_path / "a b.yaml"))
    assert result.exit_code == 0, result.output
    assert (tmp_path / "a b.yaml.bak").read_text("utf-8") == "mine"
    assert "version: 1" in (tmp_path / "a b.yaml").read_text("utf-8")
    assert f"next: costwatch check-config '{tmp_path / 'a b.yaml'}'" in " ".join(result.stderr.split())


def test_neither_a_configuration_file_nor_a_region_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "costwatch.yaml").write_text("this: is not valid", encoding="utf-8")
    result = account().costwatch("scan", environ={"HOME": str(tmp_path)})
    assert result.exit_code == 0, result.output
    assert "No accelerator instance and no SageMaker job" in result.stdout
    assert "selectors: []" in result.stdout


def test_html_without_a_file_writes_one_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = account(instance(1, "g5.xlarge", f"{EAST}a", 1, Name="<script>alert(1)</script>")).costwatch(
        "scan", "--html"
    )
    assert result.exit_code == 0, result.output
    page = (tmp_path / "costwatch-scan.html").read_text("utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page


# --- a terminal ------------------------------------------------------------------------------------------------------


def test_sixty_columns_without_colour_cut_no_id_and_no_amount() -> None:
    boto = account(instance(1, "p4d.24xlarge", f"{EAST}a", 20, Name="churn-bert", owner="maria@example.com"))
    result = boto.costwatch("scan", columns=60)
    for whole in (f"i-{1:017x}", "$16,029.08", "LaunchTime", "maria@example.com", "p4d.24xlarge"):
        assert whole in result.stdout
    assert "\x1b" not in result.stdout


def test_what_a_tag_could_do_to_a_terminal_it_does_not() -> None:
    boto = account(instance(1, "g5.xlarge", f"{EAST}a", 20, Name="evil\x1b[2J", owner="a\x07b", Purpose="x\u2028y"))
    result = boto.costwatch("scan")
    assert "evil?[2J" in result.stdout
    assert not {"\x1b", "\x07", "\u2028"} & set(result.stdout)


# --- size ------------------------------------------------------------------------------------------------------------


def many() -> Iterator[tuple[str, dict[str, Any]]]:
    """2,000 instances in three regions: 500 alone, 500 in runs of 50, 1,000 in groups of 100."""
    for number in range(2000):
        region = (EAST, WEST, FAR)[number % 3]
        kind = "p4d.24xlarge" if number % 10 == 0 else "g5.xlarge"
        tags = {"Purpose": "ml-training", "owner": f"person-{number % 40}@example.com"}
        if 500 <= number < 1000:
            tags["costwatch_run"] = f"run-{number // 150}"
        elif number >= 1000:
            tags["aws_autoscaling_groupName"] = f"group-{number // 100}"
        yield region, instance(number, kind, f"{region}a", 2 + number % 30, spot=number % 2 == 0, **tags)


def test_two_thousand_instances_in_three_regions_are_all_there_and_add_up() -> None:
    regions = {EAST: ON, WEST: ON, FAR: ON}
    by_region: dict[str, list[dict[str, Any]]] = {region: [] for region in regions}
    for region, each in many():
        by_region[region].append(each)
    boto = FakeBoto({region: FakeEc2(found, regions) for region, found in by_region.items()})
    found = body(boto)
    ids = [member["id"] for each in found["lines"] for member in each["members"]]
    assert (len(ids), len(set(ids))) == (2000, 2000)
    prices = SeedPrices()
    expected = Decimal(0)
    for region, each in many():
        rate = prices.ec2_hourly_rate(each["InstanceType"], region)
        assert rate is not None
        expected += rate.hourly_rate_usd
    assert found["total"]["hourly_rate_usd"] == f"{expected:.2f}"
    assert found["total"]["without_price"] == 0
    text = boto.costwatch("scan").stdout
    assert "--all shows them" in text
    assert "--all shows them" not in boto.costwatch("scan", "--all").stdout


def test_what_ec2_filters_is_never_narrower_than_what_counts_as_an_accelerator() -> None:
    stems = [wildcard.removesuffix("*") for wildcard in WILDCARDS]
    rates = json.loads((Path(reading.__file__).parents[1] / "data" / "prices.json").read_text("utf-8"))["blocks"]
    types = {name for block in rates if block["service"] == "ec2" for name in block["rates"]}
    accelerators = {name for name in types if is_accelerator(name)}
    assert len(accelerators) > 90
    assert [name for name in accelerators if not name.startswith(tuple(stems))] == []


def test_the_readme_shows_the_policy_as_it_is_printed() -> None:
    printed = account().costwatch("scan", "--policy").stdout
    assert printed in (Path(__file__).parents[2] / "docs" / "guides" / "scan.md").read_text("utf-8")


def test_help_mentions_the_policy() -> None:
    assert "--policy" in account().costwatch("scan", "--help").stdout
