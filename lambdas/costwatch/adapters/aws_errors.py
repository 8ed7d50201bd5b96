"""Translate botocore's exceptions into the error tree: may the same call succeed later?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError

_TRANSIENT_CODES = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ResourceContention",
        "RequestThrottled",
        "RequestTimeout",
        "ScalingActivityInProgress",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
        "Unavailable",
    }
)


# What differs at every call. A reason that always changes would be told anew at every sweep.
_ENCODED = re.compile(r"\s*encoded authorization failure message.*", re.IGNORECASE | re.DOTALL)
_UNIQUE = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # A spot request's id is no request id: it names what was meant.
        r"(?<=request[ _-]id)(\W{1,3})(?!sir-)(?=[\w+/=-]*\d)[\w+/=-]{8,}",
        r"(?<=requestid)(\W{1,3})(?=[\w+/=-]*\d)[\w+/=-]{8,}",
        # Behind a slash it is part of a resource's name, such as a key's, and stays the same.
        r"(?<![\w/-])()[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![\w-])",
        r"\b()\d{8}T\d{6}Z\b",
        r"\b()0x[0-9a-f]{6,}\b",
    )
)


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Run one AWS call; raises TransientAwsError or PermanentAwsError with service, code and message."""
    try:
        yield
    except ClientError as error:
        raise from_client_error(error, operation) from error
    except (BotoConnectionError, HTTPClientError) as error:
        raise TransientAwsError(
            f"{operation}: {_lasting(str(error))}", code=type(error).__name__, operation=operation
        ) from error
    except BotoCoreError as error:
        raise PermanentAwsError(
            f"{operation}: {_lasting(str(error))}", code=type(error).__name__, operation=operation
        ) from error


def from_client_error(error: ClientError, operation: str) -> AwsError:
    """The tree's error for what a service answered."""
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = _lasting(error.response.get("Error", {}).get("Message", "") or "")
    text = f"{operation}: {code}: {message}"
    transient = code in _TRANSIENT_CODES or status >= 500
    return (TransientAwsError if transient else PermanentAwsError)(text, code=code, operation=operation)


def _lasting(message: str) -> str:
    """What stays the same when the same call fails again."""
    text = _ENCODED.sub("", message)
    for pattern in _UNIQUE:
        text = pattern.sub(r"\1...", text)
    return text.strip()
