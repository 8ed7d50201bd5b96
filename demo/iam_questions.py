"""Which permissions an API call needs: action, resource and condition keys, as AWS's authorization reference has them.

A call this module does not know becomes a question marked `unmapped`, which no judge may pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Context = Mapping[str, str]
Describe = Callable[[str, str, str, str], Context | None]
"""(kind, account, region, id) -> condition keys of that resource as it is now, or None when it does not exist."""

INSTANCE, SPOT_REQUEST, TRAINING_JOB = "instance", "spot-instances-request", "training-job"
PROCESSING_JOB, TUNING_JOB, AUTOML_JOB = "processing-job", "hyper-parameter-tuning-job", "automl-job"
JOBS = (TRAINING_JOB, PROCESSING_JOB, TUNING_JOB, AUTOML_JOB)
GROUP = "auto-scaling-group"
NEEDS_NO_PERMISSION = frozenset({("sts", "GetCallerIdentity")})

_ON_ONE_TABLE = frozenset({"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan", "DescribeTable"})
_ON_ONE_QUEUE = frozenset(
    {"ChangeMessageVisibilityBatch", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage", "SendMessage"}
)
_IN_A_TRANSACTION = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}
_WITHOUT_RESOURCE_LEVEL = frozenset(
    {
        ("autoscaling", "DescribeAutoScalingGroups"),
        ("autoscaling", "DescribeScalingActivities"),
        ("ce", "ListCostAllocationTags"),
        ("ec2", "DescribeInstances"),
        ("ec2", "DescribeInstanceTypes"),
        ("ec2", "DescribeRegions"),
        ("ec2", "DescribeSpotInstanceRequests"),
        ("ec2", "DescribeSpotPriceHistory"),
        ("pricing", "GetProducts"),
        ("sagemaker", "ListAutoMLJobs"),
        ("sagemaker", "ListEndpoints"),
        ("sagemaker", "ListHyperParameterTuningJobs"),
        ("sagemaker", "ListNotebookInstances"),
        ("sagemaker", "ListPipelines"),
        ("sagemaker", "ListProcessingJobs"),
        ("sagemaker", "ListTrainingJobs"),
        ("sagemaker", "Search"),
    }
)


_NAMED_BY = {
    "DescribeEndpoint": ("endpoint", "EndpointName"),
    "DescribeEndpointConfig": ("endpoint-config", "EndpointConfigName"),
}
"""SageMaker's reads by one name: the kind in the ARN, and the parameter. None has a condition on its tags."""
_ABOUT_JOBS = {
    **{f"{verb}{word}": (kind, f"{word}Name")
       for verb in ("Describe", "Stop", "Update")
       for word, kind in (("TrainingJob", TRAINING_JOB), ("ProcessingJob", PROCESSING_JOB),
                          ("HyperParameterTuningJob", TUNING_JOB), ("AutoMLJob", AUTOML_JOB))},
    "DescribeAutoMLJobV2": (AUTOML_JOB, "AutoMLJobName"),
    "ListTrainingJobsForHyperParameterTuningJob": (TUNING_JOB, "HyperParameterTuningJobName"),
}  # fmt: skip
_ABOUT_EXECUTIONS = frozenset(
    {"DescribePipelineDefinitionForExecution", "DescribePipelineExecution", "ListPipelineExecutionSteps",
     "ListPipelineParametersForExecution"}
)  # fmt: skip
_ANSWERS_TO_STEPS = frozenset({"SendPipelineExecutionStepFailure", "SendPipelineExecutionStepSuccess"})
_ANSWERS_TO_TASKS = frozenset({"SendTaskFailure", "SendTaskHeartbeat", "SendTaskSuccess"})
_GROUP_ACTIONS = frozenset({"TerminateInstanceInAutoScalingGroup", "UpdateAutoScalingGroup"})
_OF_A_GROUP_UPDATE = ("LaunchConfigurationName", "MaxSize", "MinSize", "VPCZoneIdentifier")
"""What of a request is a condition key; the last one is called by its plural there."""
_TAGGED = frozenset({"endpoint", "notebook-instance"})
_ABOUT_PACKAGES = {"DescribeModelPackage": "ModelPackageName", "UpdateModelPackage": "ModelPackageArn"}


@dataclass(frozen=True, slots=True)
class Question:
    """May `action` be done to `resource` (an ARN, or `*`) with these condition keys?"""

    action: str
    resource: str
    context: tuple[tuple[str, str], ...]
    exists: bool = True
    """False: nothing by that id was there, so nothing could be done to it and no condition can be judged."""
    unmapped: bool = False


def questions(
    service: str, operation: str, params: Mapping[str, Any], *, account: str, region: str, describe: Describe
) -> list[Question]:
    """The permissions one call needs. `service` and `operation` are botocore's names, `params` what the caller gave."""
    return list(_asked(service, operation, params, _Where(account, region, describe)))


@dataclass(frozen=True, slots=True)
class _Where:
    account: str
    region: str
    describe: Describe

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def named(self, service: str, prefix: str, name: str) -> str:
        """The ARN of something given by its name or by its ARN."""
        return name if name.startswith("arn:") else self.arn(service, prefix + name)

    def ask(self, action: str, resource: str, **context: str) -> Question:
        return self.ask_with(action, resource, context)

    def ask_with(self, action: str, resource: str, context: Context, *, exists: bool = True) -> Question:
        keys = {"aws:RequestedRegion": self.region, **context}
        return Question(action, resource, tuple(sorted(keys.items())), exists=exists)

    def about(self, action: str, kind: str, name: str) -> Question:
        service = action.partition(":")[0]
        found = self.describe(kind, self.account, self.region, name)
        arn = self.arn(service, f"{kind}/{name}")
        return self.ask_with(action, arn, found or {}, exists=found is not None)


def _asked(service: str, operation: str, params: Mapping[str, Any], where: _Where) -> Iterator[Question]:
    if (service, operation) in NEEDS_NO_PERMISSION:
        return
    if (service, operation) in _WITHOUT_RESOURCE_LEVEL:
        yield where.ask(f"{service}:{operation}", "*")
        return
    known = _BY_SERVICE.get(service)
    found = list(known(operation, params, where)) if known else []
    yield from found or [Question(f"{service}:{operation}", "*", (), unmapped=True)]


def _ec2(operation: str, params: Mapping[str, Any], where: _Where) -> Iterator[Question]:
    match operation:
        case "DescribeInstanceAttribute":
            yield where.about("ec2:DescribeInstanceAttribute", INSTANCE, params["InstanceId"])
        case "TerminateInstances" | "StopInstances":
            for instance_id in params["InstanceIds"]:
                yield where.about(f"ec2:{operation}", INSTANCE, instance_id)
        case "CancelSpotInstanceRequests":
            for request_id in params["SpotInstanceRequestIds"]:
                yield where.about("ec2:CancelSpotInstanceRequests", SPOT_REQUEST, request_id)


def _autoscaling(operation: str, params: Mapping[str, Any], where: _Where) -> Iterator[Question]:
    if operation in _GROUP_ACTIONS:
        name = params["AutoScalingGroupName"]
        found = where.describe(GROUP, where.account, where.region, name)
        plural = {"VPCZoneIdentifier": "VPCZoneIdentifiers"}
        named = {f"autoscaling:{plural.get(p, p)}": str(params[p]) for p in _OF_A_GROUP_UPDATE if p in params}
        arn = where.arn("autoscaling", f"autoScalingGroup:0:autoScalingGroupName/{name}")
        yield where.ask_with(f"autoscaling:{operation}", arn, {**named, **(found or {})}, exists=found is not None)


def _sagemaker(operation: str, params: Mapping[str, Any], where: _Where) -> Iterator[Question]:
    kind, _, name = params.get("ResourceArn", "").rpartition(":")[2].partition("/")
    if operation in _ABOUT_JOBS:
        about, parameter = _ABOUT_JOBS[operation]
        yield where.about(f"sagemaker:{operation}", about, params[parameter])
    elif operation == "ListTags" and kind in JOBS:
        yield where.about("sagemaker:ListTags", kind, name)
    elif operation == "ListTags" and kind in _TAGGED:
        yield where.ask("sagemaker:ListTags", params["ResourceArn"])
    elif operation in _NAMED_BY:
        kind, parameter = _NAMED_BY[operation]
        yield where.ask(f"sagemaker:{operation}", where.arn("sagemaker", f"{kind}/{params[parameter]}"))
    elif operation in _ABOUT_EXECUTIONS:
        yield where.ask(f"sagemaker:{operation}", params["PipelineExecutionArn"])
    elif operation == "ListPipelineExecutions":
        yield where.ask(f"sagemaker:{operation}", where.named("sagemaker", "pipeline/", params["PipelineName"]))
    elif operation == "ListModelPackages":
        group = where.named("sagemaker", "model-package-group/", params["ModelPackageGroupName"])
        yield where.ask(f"sagemaker:{operation}", group)
    elif operation in _ABOUT_PACKAGES:
        status = params.get("ModelApprovalStatus")
        keys = {"sagemaker:ModelApprovalStatus": status} if status and operation == "UpdateModelPackage" else {}
        package = where.named("sagemaker", "model-package/", params[_ABOUT_PACKAGES[operation]])
        yield where.ask_with(f"sagemaker:{operation}", package, keys)
    elif operation in _ANSWERS_TO_STEPS:
        # SageMaker knows the execution by the token; whose it is does not matter to a grant for all of an account's.
        yield where.ask(f"sagemaker:{operation}", where.arn("sagemaker", "pipeline/some/execution/one"))


def _s3(operation: str, params: Mapping[str, Any], where: _Where) -> Iterator[Question]:
    owner = {"aws:ResourceAccount": where.account}  # no bucket here belongs to anybody else
    if operation in ("GetObject", "HeadObject"):
        # To read about an object is to be allowed to read it.
        yield where.ask_with("s3:GetObject", f"arn:aws:s3:::{params['Bucket']}/{params['Key']}", owner)
    elif operation == "ListObjectsV2":
        keys = {"s3:prefix": str(params.get("Prefix", "")), **owner}
        yield where.ask_with("s3:ListBucket", f"arn:aws:s3:::{params['Bucket']}", keys)


def _states(operation: str, params: Mapping[str, Any], where: _Where) -> Iterator[Question]:
    del params
    if operation in _ANSWERS_TO_TASKS:
        # Of a task's token IAM judges the state machine that waits.
        yield where.ask(f"states:{operation}", where.arn("states", "stateMachine:some"))


def _sns(operation: str, params: Mapping[str, Any], where: _Where) -> Iterator[Question]:
    if operation in ("Publish", "ListSubscriptionsByTopic") and "TopicArn" in params:
        yield where.ask(f"sns:{operation}", params["TopicArn"])


def _sqs(operation: str, params: Mapping[str, Any], where: _Where) -> Iterator[Question]:
    if operation in _ON_ONE_QUEUE:
        action = operation.removesuffix("Batch")  # a batch needs the permission of one of its kind
        yield where.ask(f"sqs:{action}", where.arn("sqs", params["QueueUrl"].rpartition("/")[2]))


def _iam(operation: str, params: Mapping[str, Any], where: _Where) -> Iterator[Question]:
    if operation == "SimulatePrincipalPolicy":
        yield where.ask("iam:SimulatePrincipalPolicy", params["PolicySourceArn"])


def _cloudformation(operation: str, params: Mapping[str, Any], where: _Where) -> Iterator[Question]:
    if operation == "ListStackResources":
        yield where.ask(
            "cloudformation:ListStackResources", where.arn("cloudformation", f"stack/{params['StackName']}/*")
        )


def _events(operation: str, params: Mapping[str, Any], where: _Where) -> Iterator[Question]:
    for entry in params["Entries"] if operation == "PutEvents" else ():
        keys = {"events:source": entry["Source"], "events:detail-type": entry["DetailType"]}
        bus = where.named("events", "event-bus/", entry.get("EventBusName", "default"))
        yield where.ask_with("events:PutEvents", bus, keys)
    if operation == "DescribeRule":
        bus = params.get("EventBusName", "default")
        path = params["Name"] if bus == "default" else f"{bus}/{params['Name']}"
        yield where.ask("events:DescribeRule", where.arn("events", f"rule/{path}"))


def _ssm(operation: str, params: Mapping[str, Any], where: _Where) -> Iterator[Question]:
    if operation == "GetParameter":
        yield where.ask("ssm:GetParameter", where.named("ssm", "parameter/", params["Name"].lstrip("/")))


def _lambda(operation: str, params: Mapping[str, Any], where: _Where) -> Iterator[Question]:
    if operation == "Invoke":
        yield where.ask("lambda:InvokeFunction", where.named("lambda", "function:", params["FunctionName"]))
    elif operation in ("GetFunctionConcurrency", "GetFunctionConfiguration"):
        yield where.ask(f"lambda:{operation}", where.named("lambda", "function:", params["FunctionName"]))
    elif operation == "GetEventSourceMapping":
        yield where.ask(f"lambda:{operation}", where.arn("lambda", f"event-source-mapping:{params['UUID']}"))


def _dynamodb(operation: str, params: Mapping[str, Any], where: _Where) -> Iterator[Question]:
    if operation in _ON_ONE_TABLE:
        table = where.named("dynamodb", "table/", params["TableName"])
        index = params.get("IndexName")
        yield where.ask(f"dynamodb:{operation}", f"{table}/index/{index}" if index else table)
    elif operation == "BatchWriteItem":
        for name in params["RequestItems"]:
            yield where.ask("dynamodb:BatchWriteItem", where.named("dynamodb", "table/", name))
    elif operation in ("TransactWriteItems", "TransactGetItems"):
        # Judged by the actions inside; the enclosing operation is a condition key.
        keys = {"dynamodb:EnclosingOperation": operation}
        for item in params["TransactItems"]:
            for word, body in item.items():
                table = where.named("dynamodb", "table/", body["TableName"])
                yield where.ask_with(f"dynamodb:{_IN_A_TRANSACTION[word]}", table, keys)


_BY_SERVICE: dict[str, Callable[[str, Mapping[str, Any], _Where], Iterator[Question]]] = {
    "autoscaling": _autoscaling,
    "dynamodb": _dynamodb,
    "ec2": _ec2,
    "events": _events,
    "lambda": _lambda,
    "s3": _s3,
    "sagemaker": _sagemaker,
    "cloudformation": _cloudformation,
    "iam": _iam,
    "sns": _sns,
    "sqs": _sqs,
    "ssm": _ssm,
    "stepfunctions": _states,
}
