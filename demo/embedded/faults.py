"""Failures on demand: throttling, refusals, server errors, lost answers, hanging calls, a region that is down.

A fault is set in the server's own process and applies to every caller, whichever process it lives in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# The HTTP status AWS sends with a code, where it is not 400. botocore retries on some of them, so it matters.
HTTP_STATUS: Final[Mapping[str, int]] = {
    "AccessDenied": 403,
    "AuthFailure": 401,
    "InternalError": 500,
    "InternalException": 500,
    "InternalFailure": 500,
    "InternalServerError": 500,
    "RequestLimitExceeded": 503,
    "ServiceUnavailable": 503,
    "SlowDown": 503,
    "Unavailable": 503,
    "UnauthorizedOperation": 403,
}
_MESSAGE: Final[Mapping[str, str]] = {
    "AccessDenied": "User is not authorized to perform this action",
    "AccessDeniedException": "User is not authorized to perform this action",
    "RequestLimitExceeded": "Request limit exceeded.",
    "ThrottlingException": "Rate exceeded",
    "UnauthorizedOperation": "You are not authorized to perform this operation.",
}

CONNECTION_LOST: Final = "ConnectionLost"  # no answer at all: the socket is closed


@dataclass(frozen=True)
class Call:
    """One request as the server understood it. `parameters` are the API's own names and values."""

    service: str  # boto3's name of the service, such as "ec2"
    operation: str  # such as "DescribeInstances"
    region: str
    account: str
    parameters: Mapping[str, Any]


@dataclass
class Fault:
    """What goes wrong, for which calls, how often.

    `times` None means until cleared. `pass_first` calls that match go through unharmed before the first failure. With
    `answer_lost` the call is carried out first and fails only on the way back. `hang_seconds` holds the answer for
    that many real seconds. `hits` counts the failures so far.
    """

    code: str
    service: str | None = None
    operation: str | None = None
    region: str | None = None
    when: Callable[[Call], bool] | None = None
    message: str = ""
    times: int | None = 1
    pass_first: int = 0
    answer_lost: bool = False
    hang_seconds: float = 0.0
    hits: int = field(default=0, init=False)

    @property
    def http_status(self) -> int:
        """The status AWS sends with this code; 400 where nothing else is known."""
        return HTTP_STATUS.get(self.code, 400)

    @property
    def text(self) -> str:
        """The message of the error."""
        return self.message or _MESSAGE.get(self.code, f"Injected {self.code}.")

    def clear(self) -> None:
        """Fail nothing from here on."""
        self.times = self.hits

    def applies_to(self, call: Call) -> bool:
        """Whether the call is one this fault is about, whatever is left of `times`."""
        return (
            self.service in (None, call.service)
            and self.operation in (None, call.operation)
            and self.region in (None, call.region)
            and (self.when is None or self.when(call))
        )


class Faults:
    """The faults in force, first match first. Safe to set while the server answers."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def fail(
        self,
        service: str | None,
        operation: str | None,
        code: str,
        *,
        times: int | None = 1,
        region: str | None = None,
        when: Callable[[Call], bool] | None = None,
        message: str = "",
        pass_first: int = 0,
        answer_lost: bool = False,
        hang_seconds: float = 0.0,
    ) -> Fault:
        """Let the next `times` matching calls fail with an AWS error code. None for service or operation means any.

        A throttle that retries cannot outlast needs `times=None`: botocore itself retries several times.
        """
        fault = Fault(
            code=code,
            service=service,
            operation=operation,
            region=region,
            when=when,
            message=message,
            times=times,
            pass_first=pass_first,
            answer_lost=answer_lost,
            hang_seconds=hang_seconds,
        )
        with self._lock:
            self._faults.append(fault)
        return fault

    def lose_connection(
        self,
        service: str | None,
        operation: str | None,
        *,
        times: int | None = 1,
        answer_lost: bool = False,
        **rest: Any,
    ) -> Fault:
        """Close the socket instead of answering. With `answer_lost` the call took effect and nobody was told."""
        return self.fail(service, operation, CONNECTION_LOST, times=times, answer_lost=answer_lost, **rest)

    def region_down(self, region: str, service: str | None = None) -> Fault:
        """Every call to the region is cut off, until the fault is cleared."""
        return self.fail(service, None, CONNECTION_LOST, times=None, region=region)

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._faults.clear()

    def take(self, call: Call) -> Fault | None:
        """The fault this call runs into, counted as one hit; None when it goes through."""
        with self._lock:
            for fault in self._faults:
                if fault.times is not None and fault.hits >= fault.times:
                    continue
                if not fault.applies_to(call):
                    continue
                if fault.pass_first > 0:
                    fault.pass_first -= 1
                    continue
                fault.hits += 1
                return fault
        return None
