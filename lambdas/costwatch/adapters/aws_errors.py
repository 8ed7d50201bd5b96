"""Translate botocore's exceptions into the error tree: may the same call succeed later?"""

from __future__ import annotations

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
        "RequestThrottled",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
        "Unavailable",
    }
)


@contextmanager
def translated(operation: str) -> Iterator[None]:
    """Run one AWS call; raises TransientAwsError or PermanentAwsError with service, code and message."""
    try:
        yield
    except ClientError as error:
        raise from_client_error(error, operation) from error
    except (BotoConnectionError, HTTPClientError) as error:
        raise TransientAwsError(f"{operation}: {error}", code=type(error).__name__, operation=operation) from error
    except BotoCoreError as error:
        raise PermanentAwsError(f"{operation}: {error}", code=type(error).__name__, operation=operation) from error


def from_client_error(error: ClientError, operation: str) -> AwsError:
    """The tree's error for what a service answered."""
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    # The encoded part differs at every call; a reason that always changes would be told at every sweep.
    message = error.response.get("Error", {}).get("Message", "").partition("Encoded authorization failure message")[0]
    text = f"{operation}: {code}: {message.strip()}"
    transient = code in _TRANSIENT_CODES or status >= 500
    return (TransientAwsError if transient else PermanentAwsError)(text, code=code, operation=operation)
