"""Faults of S3: its calls do not pass the place that all other services' calls pass (see `dispatch`)."""

from __future__ import annotations

import time
from typing import Any, Final
from xml.sax.saxutils import escape

from botocore.exceptions import ConnectionClosedError
from moto.s3.responses import S3Response

from demo.embedded.faults import CONNECTION_LOST, Call, Fault
from demo.embedded.patching import Patch
from demo.embedded.world import current

_moto_bucket = S3Response._bucket_response
_moto_key = S3Response._key_response

_OF_KEYS: Final = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}


def _key(response: Any, request: Any, full_url: str) -> Any:
    operation = _OF_KEYS.get(request.method, "")
    key = response.parse_key_name()
    return _struck(response, request, operation, {"Key": key}) or _moto_key(response, request, full_url)


def _bucket(response: Any, request: Any, full_url: str) -> Any:
    listed = request.method == "GET" and request.args.get("list-type") == "2"
    prefix = request.args.get("prefix", "")
    found = _struck(response, request, "ListObjectsV2", {"Prefix": prefix}) if listed else None
    return found or _moto_bucket(response, request, full_url)


def _struck(response: Any, request: Any, operation: str, parameters: dict[str, Any]) -> Any:
    named = {"Bucket": response.bucket_name, **parameters}
    call = Call("s3", operation, str(response.region), response.current_account, named)
    fault = current().faults.take(call)
    return None if fault is None else _refusal(request, fault)


def _refusal(request: Any, fault: Fault) -> Any:
    if fault.hang_seconds:
        time.sleep(fault.hang_seconds)
    if fault.code == CONNECTION_LOST:
        raise ConnectionClosedError(endpoint_url=request.url)
    body = f"<Error><Code>{escape(fault.code)}</Code><Message>{escape(fault.text)}</Message></Error>"
    # A HEAD has no body: who asks sees the status alone, as from AWS.
    return fault.http_status, {"content-type": "application/xml"}, "" if request.method == "HEAD" else body


def patches() -> list[Patch]:
    """What `install` applies."""
    return [
        Patch(S3Response, "_bucket_response", _bucket),
        Patch(S3Response, "_key_response", _key),
    ]
