"""The one place every call passes: faults strike here, and calls to a stateful service take turns."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import moto.core.errors as moto_errors
from botocore.exceptions import ConnectionClosedError
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse

from demo.embedded.faults import CONNECTION_LOST, Call, Fault
from demo.embedded.patching import Patch
from demo.embedded.world import current

# moto checks a condition and then writes, with nothing in between to stop another thread: without turns two sweeps
# at once could both win one conditional write. Services that call others over HTTP (CloudFormation, SQS to Lambda)
# are left out, or they would wait for themselves.
_TURNS = {service: threading.RLock() for service in ("dynamodb", "ec2", "sagemaker", "sns")}
_TURNS["autoscaling"] = _TURNS["ec2"]  # a group launches and ends instances

_moto_call_action = BaseResponse.call_action


class _InjectedError(ServiceException):
    """Of this module, not of moto's core: moto finds an error's service by the module it comes from."""


def turn(service: str) -> AbstractContextManager[Any]:
    """Hold everybody else off a service's state for the length of the block."""
    return _TURNS.get(service, nullcontext())


def _parameters(response: Any) -> dict[str, Any]:
    if response.automated_parameter_parsing:
        return dict(response.params)
    body = response.body
    return dict(body) if isinstance(body, dict) else dict(response.querystring)


def _refusal(response: Any, fault: Fault) -> Any:
    status, headers, body = response.serialized(ActionResult(_InjectedError(fault.code, fault.text)))
    status = fault.http_status if fault.http_status != 400 else status
    headers["status"] = status
    headers, body = response._enrich_response(headers, body)
    return status, headers, body


def _strike(response: Any, fault: Fault) -> Any:
    if fault.hang_seconds:
        time.sleep(fault.hang_seconds)
    if fault.code == CONNECTION_LOST:
        # botocore's own exception: under mock_aws it goes to the caller as a lost connection would; the server
        # closes the socket.
        raise ConnectionClosedError(endpoint_url=response.uri)
    return _refusal(response, fault)


def _call_action(response: Any) -> Any:
    operation = response._get_action()
    if not operation:
        return _moto_call_action(response)
    service = str(response.boto3_service_name)
    call = Call(service, operation, response.region, response.current_account, _parameters(response))
    fault = current().faults.take(call)
    if fault is not None and not fault.answer_lost:
        return _strike(response, fault)
    with turn(service):
        answer = _moto_call_action(response)
    return answer if fault is None else _strike(response, fault)


def patches() -> list[Patch]:
    """What `install` applies."""
    return [
        Patch(BaseResponse, "call_action", _call_action),
        # moto advises its developers to model a code it does not know; throttling is one of them
        Patch(moto_errors, "warn", lambda *_advice, **_options: None),
    ]
