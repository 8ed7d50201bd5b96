"""Faults of the embedded AWS: they answer in the words of the service, and only the calls they are about."""

from __future__ import annotations

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from demo.embedded import EmbeddedAws
from tests.support.looking_at_aws import instances, state


@pytest.mark.parametrize(
    ("service", "operation", "call", "code", "status"),
    [
        ("ec2", "DescribeInstances", "describe_instances", "RequestLimitExceeded", 503),
        ("ec2", "DescribeInstances", "describe_instances", "UnauthorizedOperation", 403),
        ("ec2", "DescribeInstances", "describe_instances", "InternalError", 500),
        ("sagemaker", "ListTrainingJobs", "list_training_jobs", "ThrottlingException", 400),
        ("sagemaker", "ListTrainingJobs", "list_training_jobs", "AccessDeniedException", 400),
        ("dynamodb", "ListTables", "list_tables", "ProvisionedThroughputExceededException", 400),
        ("sns", "ListTopics", "list_topics", "InternalError", 500),
        ("sqs", "ListQueues", "list_queues", "AccessDenied", 403),
        ("ssm", "DescribeParameters", "describe_parameters", "ThrottlingException", 400),
        ("events", "ListRules", "list_rules", "InternalException", 500),
    ],
)
def test_a_fault_answers_in_the_words_of_the_service(
    aws: EmbeddedAws, service: str, operation: str, call: str, code: str, status: int
) -> None:
    fault = aws.faults.fail(service, operation, code)
    with pytest.raises(ClientError) as error:
        getattr(aws.client(service), call)()
    assert error.value.response["Error"]["Code"] == code
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    getattr(aws.client(service), call)()
    assert fault.hits == 1


def test_a_fault_strikes_only_the_calls_it_is_about(aws: EmbeddedAws) -> None:
    spared, struck = aws.fleet.instance(), aws.fleet.instance()
    aws.faults.fail(
        "ec2",
        "TerminateInstances",
        "UnauthorizedOperation",
        times=None,
        when=lambda call: struck in call.parameters["InstanceIds"],
    )
    aws.client("ec2").terminate_instances(InstanceIds=[spared])
    with pytest.raises(ClientError):
        aws.client("ec2").terminate_instances(InstanceIds=[struck])
    assert [state(aws, each) for each in (spared, struck)] == ["terminated", "running"]


def test_a_fault_may_wait_for_the_second_call(aws: EmbeddedAws) -> None:
    aws.faults.fail("ec2", "DescribeInstances", "RequestLimitExceeded", pass_first=1)
    instances(aws)
    with pytest.raises(ClientError):
        instances(aws)


def test_a_region_that_is_down_leaves_the_others_up(aws: EmbeddedAws) -> None:
    down = aws.faults.region_down("eu-west-1")
    with pytest.raises(ConnectionClosedError):
        instances(aws, "eu-west-1")
    instances(aws, "us-east-1")
    down.clear()
    instances(aws, "eu-west-1")


def test_an_answer_can_be_lost_after_the_call_took_effect(aws: EmbeddedAws) -> None:
    instance_id = aws.fleet.instance()
    aws.faults.lose_connection("ec2", "TerminateInstances", answer_lost=True)
    with pytest.raises(ConnectionClosedError):
        aws.client("ec2").terminate_instances(InstanceIds=[instance_id])
    assert state(aws, instance_id) == "terminated"


def test_retries_see_every_hit_of_a_throttle(aws: EmbeddedAws) -> None:
    fault = aws.faults.fail("sagemaker", "ListTrainingJobs", "ThrottlingException", times=1)
    patient = aws.client("sagemaker", config=Config(retries={"total_max_attempts": 2, "mode": "standard"}))
    patient.list_training_jobs()
    assert fault.hits == 1
