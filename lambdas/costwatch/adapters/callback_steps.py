"""Callback steps of SageMaker pipelines: answer one that waits, and find those that wait in our queue.

SageMaker refuses an answer to a step that no longer waits with one of several codes, none of which says so alone
(`ConflictException` is also two writers at once). Where the execution is known, the step itself is read then.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from costwatch.adapters.aws_errors import translated
from costwatch.adapters.sagemaker_members import utc
from costwatch.core.token_answer import TokenAnswer
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.client import SageMakerClient

MOST_OUTPUTS: Final = 50
LONGEST_OUTPUT: Final = 1024
LONGEST_REASON: Final = 256
_TOKEN: Final = re.compile(r"[a-zA-Z0-9]{10}")
_CONFLICT: Final = "ConflictException"
_NOT_THERE: Final = ("ResourceNotFound", "ResourceNotFoundException")
_REFUSED: Final = (*_NOT_THERE, _CONFLICT, "ValidationException")
_WAITING: Final = ("Starting", "Executing", "Stopping")
_EXECUTING: Final = ("Executing", "Stopping")
_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class WaitingStep:
    """A callback step that waits for an answer. `stopping`: its pipeline was stopped and ends with any answer."""

    token: str
    execution_arn: str
    name: str
    stopping: bool
    since: datetime | None
    """Aware UTC; None: SageMaker does not say."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """`errors`: pipelines that could not be read; the others' steps are there."""

    steps: list[WaitingStep]
    errors: list[AwsError]


@dataclass(frozen=True, slots=True)
class ExecutionSource:
    """What an execution was started with. `parameters`: those that were given, as text."""

    definition: str
    parameters: Mapping[str, str]


class CallbackSteps:
    """One account and region. Raises TransientAwsError or PermanentAwsError."""

    def __init__(self, client: SageMakerClient) -> None:
        self._client: Any = client

    # --- answers --------------------------------------------------------------------------------------------

    def succeed(self, token: str, outputs: Mapping[str, str], *, execution_arn: str = "") -> TokenAnswer:
        """Let it go on, with `outputs` for later steps: at most 50; what is longer than 1,024 characters is cut."""
        if len(outputs) > MOST_OUTPUTS:
            raise PermanentAwsError(f"{len(outputs)} output parameters; SageMaker takes {MOST_OUTPUTS}")
        parameters = [{"Name": name, "Value": _cut(value, LONGEST_OUTPUT)} for name, value in sorted(outputs.items())]
        return self._answer("Success", token, execution_arn, OutputParameters=parameters)

    def fail(self, token: str, reason: str, *, execution_arn: str = "") -> TokenAnswer:
        """Let it fail with `reason`, of which SageMaker keeps 256 characters."""
        return self._answer("Failure", token, execution_arn, FailureReason=_cut(reason, LONGEST_REASON))

    def _answer(self, word: str, token: str, execution_arn: str, **what: Any) -> TokenAnswer:
        if not _TOKEN.fullmatch(token):
            return TokenAnswer.NO_TOKEN
        send = getattr(self._client, f"send_pipeline_execution_step_{word.lower()}")
        # Made of the answer itself: whoever says the same again after a lost answer is no second one.
        facts = json.dumps([word, token, what], sort_keys=True)
        try:
            with translated(f"sagemaker:SendPipelineExecutionStep{word}"):
                send(CallbackToken=token, ClientRequestToken=hashlib.sha256(facts.encode()).hexdigest(), **what)
        except PermanentAwsError as error:
            if error.code not in _REFUSED:
                raise
            if not self._still_waits(token, execution_arn, error):
                return TokenAnswer.SETTLED
            if error.code == _CONFLICT:
                raise TransientAwsError(str(error), code=error.code, operation=error.operation) from error
            raise
        return TokenAnswer.ACCEPTED

    def _still_waits(self, token: str, execution_arn: str, refused: AwsError) -> bool:
        """Where nobody knows the execution, a code that may be about our own request is taken for that."""
        if not execution_arn:
            return refused.code not in (*_NOT_THERE, _CONFLICT)
        return any(step.token == token for step, _ in self._callbacks(execution_arn))

    # --- what waits -----------------------------------------------------------------------------------------

    def waiting_steps(self, queue_url: str, since: datetime) -> Waiting:
        """The steps that wait by a message in `queue_url`, of executions started after `since` (aware).

        A call for 100 pipelines, one for each that was started since, and one for each execution that is not over.
        """
        waiting = Waiting([], [])
        for pipeline in self._pipelines(since):
            try:
                for execution_arn in list(self._executions(pipeline, since)):
                    waiting.steps.extend(step for step, url in self._callbacks(execution_arn) if url == queue_url)
            except AwsError as error:
                waiting.errors.append(error)
        return waiting

    def _pipelines(self, since: datetime) -> Iterator[str]:
        for raw in self._pages("list_pipelines", "PipelineSummaries", {}):
            last = raw.get("LastExecutionTime")
            if last is None or last >= since:  # SageMaker leaves it out of what was never started, and does not promise
                yield raw["PipelineName"]

    def _executions(self, pipeline: str, since: datetime) -> Iterator[str]:
        asked = {"PipelineName": pipeline, "CreatedAfter": since}
        for raw in self._pages("list_pipeline_executions", "PipelineExecutionSummaries", asked):
            if raw["PipelineExecutionStatus"] in _EXECUTING:
                yield raw["PipelineExecutionArn"]

    def _callbacks(self, execution_arn: str) -> list[tuple[WaitingStep, str]]:
        """Callback steps of an execution that wait, each with its queue. Empty for one that is not there."""
        asked = {"PipelineExecutionArn": execution_arn}
        try:
            raws = list(self._pages("list_pipeline_execution_steps", "PipelineExecutionSteps", asked))
        except PermanentAwsError as error:
            if error.code in _NOT_THERE:
                return []
            raise
        found = []
        for raw in raws:
            callback = raw.get("Metadata", {}).get("Callback", {})
            if raw["StepStatus"] in _WAITING and callback.get("CallbackToken"):
                step = WaitingStep(
                    token=callback["CallbackToken"],
                    execution_arn=execution_arn,
                    name=raw["StepName"],
                    stopping=raw["StepStatus"] == "Stopping",
                    since=utc(raw.get("StartTime")),
                )
                found.append((step, callback.get("SqsQueueUrl", "")))
        return found

    def source_of(self, execution_arn: str) -> ExecutionSource:
        """Definition and parameters of an execution, which say what the message of a waiting step had in it."""
        with translated("sagemaker:DescribePipelineDefinitionForExecution"):
            answer = self._client.describe_pipeline_definition_for_execution(PipelineExecutionArn=execution_arn)
        asked = {"PipelineExecutionArn": execution_arn}
        given = self._pages("list_pipeline_parameters_for_execution", "PipelineParameters", asked)
        return ExecutionSource(answer["PipelineDefinition"], {raw["Name"]: raw["Value"] for raw in given})

    def started_by(self, execution_arn: str, token: str) -> str:
        """ARN of the principal that started an execution, as SageMaker recorded it.

        Empty: it did not, or no step of the execution waits by `token`. A message may name any execution.
        """
        if not any(step.token == token for step, _ in self._callbacks(execution_arn)):
            return ""
        with translated("sagemaker:DescribePipelineExecution"):
            answer = self._client.describe_pipeline_execution(PipelineExecutionArn=execution_arn)
        creator = answer.get("CreatedBy", {})
        return str(creator.get("IamIdentity", {}).get("Arn") or creator.get("UserProfileArn") or "")

    def _pages(self, method: str, key: str, asked: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        operation = "".join(part.title() for part in method.split("_"))
        with translated(f"sagemaker:{operation}"):
            for page in self._client.get_paginator(method).paginate(**asked, PaginationConfig={"PageSize": _PAGE}):
                yield from page[key]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
