"""Slack's signing secret: read from its parameter, kept for minutes, read anew when it no longer fits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from costwatch.errors import PermanentAwsError, TransientAwsError

KEPT_SECONDS: Final = 300.0
AGAIN_SECONDS: Final = 30.0
"""Who sends junk must not have us ask SSM for every piece of it."""
_ABSENT: Final = ("ParameterNotFound", "ParameterVersionNotFound")


class SigningSecret:
    """`read(seconds)` asks for it and answers within so many seconds, or raises AwsError.

    A parameter that is not there is an empty secret, which verifies nothing, and is looked for again after
    AGAIN_SECONDS. While it cannot be read for a passing reason the last one stays.
    """

    def __init__(self, read: Callable[[float], str], *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._value: str | None = None
        self._read_at = 0.0

    def current(self, seconds: float) -> str:
        """Empty where there is none. Raises AwsError where it was never read and cannot be."""
        with self._lock:
            kept = KEPT_SECONDS if self._value else AGAIN_SECONDS
            if self._value is None or self._monotonic() - self._read_at >= kept:
                self._refresh(seconds)
            return self._value or ""

    def newer(self, than: str, seconds: float) -> str | None:
        """Another secret than the one that did not fit, where the last reading is AGAIN_SECONDS ago; else None."""
        with self._lock:
            if self._value == than and self._monotonic() - self._read_at >= AGAIN_SECONDS:
                self._refresh(seconds)
            return self._value if self._value and self._value != than else None

    def _refresh(self, seconds: float) -> None:
        begun = self._monotonic()
        try:
            self._value = self._read(seconds).strip()
        except TransientAwsError:
            if self._value is None:
                raise
        except PermanentAwsError as error:
            if error.code not in _ABSENT:
                raise
            self._value = ""
        self._read_at = begun
