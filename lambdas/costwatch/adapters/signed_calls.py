"""AWS calls without a client: JSON, signed by botocore's own signer, over a connection that is kept.

A boto3 client reads its service's model and builds classes from it, which takes longer than the door has. The two
calls that it makes are so small that a request, a signature and an answer are all there is to them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.httpsession import get_cert_path
from urllib3 import PoolManager, Timeout
from urllib3 import exceptions as urllib3_errors

from costwatch.errors import ConfigError, PermanentAwsError, TransientAwsError

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials

_TIMED_OUT: Final = "Timeout"
_TRANSIENT: Final = ("Throttl", "TooManyRequests", "RequestLimitExceeded", "InternalFailure", "InternalException",
                     "InternalServerError", "ServiceUnavailable")  # fmt: skip


class _Credentials(NamedTuple):
    """What the signer reads. botocore's own class comes with everything that finds credentials elsewhere."""

    access_key: str
    secret_key: str
    token: str | None


class SignedCalls:
    """Region, credentials and, where it is another than AWS's own, the endpoint are those of Lambda's environment.

    Raises ConfigError where that names no region or no credentials.
    """

    def __init__(self, env: Mapping[str, str], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        try:
            self.region = env["AWS_REGION"]
            token = env.get("AWS_SESSION_TOKEN")
            keys = _Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], token)
        except KeyError as missing:
            raise ConfigError(f"environment variable {missing} is not set; Lambda's runtime sets it") from None
        self._credentials = cast("ReadOnlyCredentials", keys)
        self._endpoint = env.get("AWS_ENDPOINT_URL", "").rstrip("/")
        self._monotonic = monotonic
        self._pool = PoolManager(retries=False, ca_certs=env.get("AWS_CA_BUNDLE") or get_cert_path(True))

    def call(self, service: str, target: str, parameters: Mapping[str, Any], *, seconds: float) -> dict[str, Any]:
        """`target` as in X-Amz-Target, such as `AWSEvents.PutEvents`. The answer comes within `seconds`, or nothing.

        Raises TransientAwsError or PermanentAwsError with the service's code.
        """
        operation = f"{service}:{target.partition('.')[2]}"
        body = json.dumps(parameters).encode()
        until = self._monotonic() + seconds
        try:
            return self._once(service, target, operation, body, until - self._monotonic())
        except TransientAwsError as error:
            if error.code == _TIMED_OUT:
                raise
        # A connection that was kept while the function slept may be dead, and a service may hiccup once.
        return self._once(service, target, operation, body, until - self._monotonic())

    def _once(self, service: str, target: str, operation: str, body: bytes, seconds: float) -> dict[str, Any]:
        if seconds <= 0:
            raise TransientAwsError(f"{operation}: there is no time left for it", code=_TIMED_OUT, operation=operation)
        url, headers = self._url(service), {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
        request = AWSRequest("POST", url, headers=headers, data=body)
        SigV4Auth(self._credentials, service, self.region).add_auth(request)
        try:
            answer = self._pool.request(
                "POST", url, body=body, headers=dict(request.headers.items()), timeout=Timeout(total=seconds)
            )
        except urllib3_errors.TimeoutError as error:
            text = f"{operation}: no answer within {seconds:.1f} s"
            raise TransientAwsError(text, code=_TIMED_OUT, operation=operation) from error
        except (urllib3_errors.HTTPError, ValueError) as error:
            kind = type(error).__name__
            raise TransientAwsError(f"{operation}: {kind}", code=kind, operation=operation) from error
        return _answered(answer.status, answer.data, operation)

    def _url(self, service: str) -> str:
        domain = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return f"{self._endpoint or f'https://{service}.{self.region}.{domain}'}/"


def _answered(status: int, data: bytes, operation: str) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        # Cut off, or a proxy's page: the next one is AWS's own again.
        raise TransientAwsError(f"{operation}: HTTP {status} without JSON", code=f"HTTP{status}", operation=operation)
    if status == 200:
        return answer
    code = str(answer.get("__type") or "").rpartition("#")[2] or f"HTTP{status}"
    message = answer.get("message") or answer.get("Message") or ""
    transient = status >= 500 or status == 429 or code.startswith(_TRANSIENT)
    kind = TransientAwsError if transient else PermanentAwsError
    raise kind(f"{operation}: {code}: {message}", code=code, operation=operation)
