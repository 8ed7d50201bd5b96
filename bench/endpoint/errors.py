"""What the endpoint refuses, in the code and words of the service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Refused(Exception):
    """`code` as AWS names it; `details` stand beside the message where the protocol is JSON."""

    def __init__(self, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.details = dict(details or {})
