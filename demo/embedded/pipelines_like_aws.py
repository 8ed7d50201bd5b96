"""SageMaker pipelines as AWS runs them, where moto's executions have succeeded as they begin.

A callback step puts its message into its queue and waits; SendPipelineExecutionStepSuccess hands its outputs to later
steps, Failure ends the execution. A training step starts a job that carries the execution's ARN as a tag, and goes as
that goes. StopPipelineExecution sends a waiting callback step's message again with the status Stopping, and the
execution stops with the answer. Executions list page by page.

What AWS says to a second answer is not documented: a token that never was is a ResourceNotFound here, one that has been
answered a ConflictException. The same answer under the same request token is accepted again.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator, Mapping
from typing import Any, Final

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import ConflictException, ResourceNotFound, ValidationError
from moto.sagemaker.models import FakePipelineExecution, SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse
from moto.sqs.models import sqs_backends

from demo.embedded import sagemaker_like_aws as training
from demo.embedded.patching import Patch
from demo.embedded.pipeline_steps import Step, filled_in, parameters_of, ready, steps_of
from demo.embedded.world import naive_now

_TAG: Final = "sagemaker:pipeline-execution-arn"
_LIVE: Final = ("Executing", "Stopping")
_DEFAULT_PAGE: Final = 10
_CREATOR: Final = "arn:aws:sts::{account}:assumed-role/data-scientists/maria"

_moto_init = FakePipelineExecution.__init__
_moto_start = SageMakerModelBackend.start_pipeline_execution
_moto_describe = SageMakerModelBackend.describe_pipeline_execution


# --- how an execution goes on ---------------------------------------------------------------------------------------


def _born_executing(execution: Any, *args: Any, **kwargs: Any) -> None:
    _moto_init(execution, *args, **kwargs)
    execution.pipeline_execution_status = "Executing"
    execution.costwatch_steps = []


def _start(backend: Any, *args: Any, **kwargs: Any) -> dict[str, str]:
    answer = _moto_start(backend, *args, **kwargs)
    execution = _execution(backend, answer["PipelineExecutionArn"])
    execution.costwatch_steps = steps_of(execution.pipeline_definition_for_execution)
    _go_on(backend, execution)
    return answer


def _go_on(backend: Any, execution: Any) -> None:
    """As far as it can go by now."""
    steps: list[Step] = execution.costwatch_steps
    if execution.pipeline_execution_status not in _LIVE:
        return
    for step in steps:
        _follow_job(backend, step)
    while execution.pipeline_execution_status == "Executing" and not any(step.status == "Failed" for step in steps):
        startable = list(ready(steps))
        if not startable:
            break
        for step in startable:
            _begin(backend, execution, step)
    _settle(execution)


def _settle(execution: Any) -> None:
    steps: list[Step] = execution.costwatch_steps
    if any(step.waits for step in steps):
        return
    failed = next((step for step in steps if step.status == "Failed"), None)
    if execution.pipeline_execution_status == "Stopping":
        execution.pipeline_execution_status = "Stopped"
    elif failed is not None:
        execution.pipeline_execution_status = "Failed"
        execution.pipeline_execution_failure_reason = f"Step failure: {failed.name}: {failed.reason}"
    elif all(step.status for step in steps):
        execution.pipeline_execution_status = "Succeeded"
    execution.last_modified_time = naive_now()


def _begin(backend: Any, execution: Any, step: Step) -> None:
    parameters = parameters_of(execution.pipeline_definition_for_execution, execution.pipeline_parameters)
    step.told = filled_in(step.arguments, parameters, execution.costwatch_steps, execution.arn)
    step.started, step.status = naive_now(), "Executing"
    if step.kind == "Callback":
        step.token = "".join(random.choices(string.ascii_letters + string.digits, k=10))
        _send(backend, execution, step, "Executing")
    elif step.kind == "Training" and isinstance(_seconds(step.told), str):
        step.end("Failed", naive_now(), "ClientError: MaxRuntimeInSeconds is text; expected a number")
    elif step.kind == "Training":
        step.job = f"pipelines-{execution.arn.rpartition('/')[2]}-{step.name}"[:63]
        _create_job(backend, execution, step)
    else:
        step.end("Succeeded", naive_now())


def _send(backend: Any, execution: Any, step: Step, status: str) -> None:
    message = {"token": step.token, "pipelineExecutionArn": execution.arn, "arguments": step.told, "status": status}
    name = step.queue_url.rpartition("/")[2]
    queues = sqs_backends[backend.account_id][backend.region_name]
    if name in queues.queues:
        queues.send_message(name, json.dumps(message))
    else:
        step.end("Failed", naive_now(), f"ClientError: the queue {step.queue_url} does not exist")


def _seconds(body: Mapping[str, Any]) -> Any:
    return body.get("StoppingCondition", {}).get("MaxRuntimeInSeconds")


def _create_job(backend: Any, execution: Any, step: Step) -> None:
    body = step.told
    backend.create_training_job(
        training_job_name=step.job,
        hyper_parameters=body.get("HyperParameters"),
        algorithm_specification=body.get("AlgorithmSpecification"),
        role_arn=body.get("RoleArn"),
        input_data_config=body.get("InputDataConfig"),
        output_data_config=body.get("OutputDataConfig"),
        resource_config=body.get("ResourceConfig"),
        vpc_config=body.get("VpcConfig"),
        stopping_condition=dict(body.get("StoppingCondition", {})),
        tags=[*body.get("Tags", []), {"Key": _TAG, "Value": execution.arn}],
        enable_network_isolation=False,
        enable_inter_container_traffic_encryption=False,
        enable_managed_spot_training=body.get("EnableManagedSpotTraining", False),
        checkpoint_config=body.get("CheckpointConfig"),
        debug_hook_config=None,
        debug_rule_configurations=None,
        tensor_board_output_config=None,
        experiment_config=None,
    )


def _follow_job(backend: Any, step: Step) -> None:
    if step.kind != "Training" or not step.waits:
        return
    job = training.find(backend, step.job)
    if job.training_job_status not in ("InProgress", "Stopping"):
        ends = {"Completed": "Succeeded", "Stopped": "Stopped" if step.status == "Stopping" else "Failed"}
        step.end(ends.get(job.training_job_status, "Failed"), job.training_end_time, f"job {job.training_job_status}")


def _execution(backend: Any, arn: str) -> Any:
    for pipeline in backend.pipelines.values():
        if arn in pipeline.pipeline_executions:
            return pipeline.pipeline_executions[arn]
    raise ResourceNotFound(message=f"Pipeline execution {arn} does not exist.")


# --- answers --------------------------------------------------------------------------------------------------------


def _all_steps(backend: Any) -> Iterator[tuple[Any, Step]]:
    for pipeline in backend.pipelines.values():
        for execution in pipeline.pipeline_executions.values():
            for step in execution.costwatch_steps:
                yield execution, step


def _answered(response: Any, word: str) -> tuple[Any, Step] | None:
    """The execution and the step that an answer is for; None: it has been given this very answer before."""
    token, request = response._get_param("CallbackToken"), response._get_param("ClientRequestToken") or ""
    if len(token) != 10 or not token.isalnum():
        raise ValidationError(message=f"Value '{token}' at 'callbackToken' failed to satisfy constraint")
    if request and not 32 <= len(request) <= 128:
        raise ValidationError(message=f"Value '{request}' at 'clientRequestToken' failed to satisfy constraint")
    for execution, step in _all_steps(response.sagemaker_backend):
        if step.token != token:
            continue
        if step.answer == (request, word):
            return None
        if not step.waits:
            raise ConflictException(f"The callback step {step.name} has status {step.status}.")
        step.answer = (request, word)
        return execution, step
    raise ResourceNotFound(message=f"Callback token {token} does not exist.")


def _success_response(response: Any) -> ActionResult:
    outputs = response._get_param("OutputParameters") or []
    if len(outputs) > 50 or any(len(each["Name"]) > 256 or len(each["Value"]) > 1024 for each in outputs):
        raise ValidationError(message="Value at 'outputParameters' failed to satisfy constraint")
    found = _answered(response, "Success")
    if found is not None:
        execution, step = found
        step.outputs = {each["Name"]: each["Value"] for each in outputs}
        missing = set(step.promised) - set(step.outputs)
        ended = "Stopped" if step.status == "Stopping" else "Failed" if missing else "Succeeded"
        step.end(ended, naive_now(), f"output parameters are missing: {sorted(missing)}" if missing else "")
        _go_on(response.sagemaker_backend, execution)
    return ActionResult({"PipelineExecutionArn": _arn_of(response)})


def _failure_response(response: Any) -> ActionResult:
    reason = response._get_param("FailureReason") or ""
    if len(reason) > 256:
        raise ValidationError(message="Value at 'failureReason' failed to satisfy constraint")
    found = _answered(response, "Failure")
    if found is not None:
        execution, step = found
        step.end("Stopped" if step.status == "Stopping" else "Failed", naive_now(), reason)
        _go_on(response.sagemaker_backend, execution)
    return ActionResult({"PipelineExecutionArn": _arn_of(response)})


def _arn_of(response: Any) -> str:
    token = response._get_param("CallbackToken")
    return next(str(e.arn) for e, step in _all_steps(response.sagemaker_backend) if step.token == token)


def _stop_response(response: Any) -> ActionResult:
    backend = response.sagemaker_backend
    execution = _execution(backend, response._get_param("PipelineExecutionArn"))
    if execution.pipeline_execution_status not in _LIVE:
        raise ConflictException(f"The pipeline execution has status {execution.pipeline_execution_status}.")
    execution.pipeline_execution_status = "Stopping"
    for step in execution.costwatch_steps:
        if step.status == "Executing":
            step.status = "Stopping"
            if step.kind == "Callback":
                _send(backend, execution, step, "Stopping")
            else:
                training.ask_to_stop(training.find(backend, step.job))
    _go_on(backend, execution)
    return ActionResult({"PipelineExecutionArn": execution.arn})


# --- looking --------------------------------------------------------------------------------------------------------


def _steps_response(response: Any) -> ActionResult:
    execution = _execution(response.sagemaker_backend, response._get_param("PipelineExecutionArn"))
    _go_on(response.sagemaker_backend, execution)
    shown = [_shown(step, response) for step in execution.costwatch_steps if step.status]
    newest_first = response._get_param("SortOrder", "Descending") == "Descending"
    return _page(response, "PipelineExecutionSteps", shown[::-1] if newest_first else shown)


def _shown(step: Step, response: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"StepName": step.name, "StepStatus": step.status, "StartTime": step.started}
    if step.ended:
        found |= {"EndTime": step.ended}
    if step.status == "Failed":
        found |= {"FailureReason": step.reason}
    if step.kind == "Callback":
        outputs = [{"Name": name, "Value": value} for name, value in step.outputs.items()]
        callback = {"CallbackToken": step.token, "SqsQueueUrl": step.queue_url, "OutputParameters": outputs}
        found |= {"Metadata": {"Callback": callback}}
    if step.job:
        found |= {"Metadata": {"TrainingJob": {"Arn": training.find(response.sagemaker_backend, step.job).arn}}}
    return found


def _list_response(response: Any) -> ActionResult:
    backend = response.sagemaker_backend
    pipeline = backend.pipelines.get(response._get_param("PipelineName"))
    if pipeline is None:
        raise ResourceNotFound(message=f"Pipeline {response._get_param('PipelineName')} does not exist.")
    after = training.naive_moment(response._get_param("CreatedAfter"))
    for execution in pipeline.pipeline_executions.values():
        _go_on(backend, execution)
    found = [
        {
            "PipelineExecutionArn": execution.arn,
            "StartTime": execution.start_time,
            "PipelineExecutionStatus": execution.pipeline_execution_status,
        }
        for execution in pipeline.pipeline_executions.values()
        if after is None or execution.creation_time > after
    ]
    newest_first = response._get_param("SortOrder", "Descending") == "Descending"
    return _page(response, "PipelineExecutionSummaries", found[::-1] if newest_first else found)


def _page(response: Any, key: str, found: list[dict[str, Any]]) -> ActionResult:
    start = int(response._get_param("NextToken") or 0)
    stop = start + int(response._get_param("MaxResults") or _DEFAULT_PAGE)
    return ActionResult({key: found[start:stop], "NextToken": str(stop) if stop < len(found) else None})


def _describe(backend: Any, pipeline_execution_arn: str) -> dict[str, Any]:
    execution = _execution(backend, pipeline_execution_arn)
    _go_on(backend, execution)
    answer: dict[str, Any] = _moto_describe(backend, pipeline_execution_arn)
    creator = {"Arn": _CREATOR.format(account=backend.account_id), "PrincipalId": "AROAEXAMPLE:maria"}
    reason = execution.pipeline_execution_failure_reason
    answer |= {"CreatedBy": {"IamIdentity": creator}} | ({"FailureReason": reason} if reason else {})
    return {key: value for key, value in answer.items() if value not in (None, "")}


def patches() -> list[Patch]:
    """What `install` applies, after the training jobs'."""
    return [
        Patch(FakePipelineExecution, "__init__", _born_executing),
        Patch(SageMakerModelBackend, "start_pipeline_execution", _start),
        Patch(SageMakerModelBackend, "describe_pipeline_execution", _describe),
        Patch(SageMakerResponse, "list_pipeline_executions", _list_response),
        Patch(SageMakerResponse, "list_pipeline_execution_steps", _steps_response),
        Patch(SageMakerResponse, "stop_pipeline_execution", _stop_response),
        Patch(SageMakerResponse, "send_pipeline_execution_step_success", _success_response),
        Patch(SageMakerResponse, "send_pipeline_execution_step_failure", _failure_response),
    ]
