"""What became of the answer to something that waits by a token: a pipeline's callback step, a Step Functions task."""

from __future__ import annotations

from enum import StrEnum


class TokenAnswer(StrEnum):
    """None of them is an error: after each the token needs no further answer of ours."""

    ACCEPTED = "accepted"
    """It goes on, or fails, by our answer. The same answer given twice is accepted twice."""
    SETTLED = "already settled"
    """Nobody waits any more: it was answered, ran out of time, or was stopped."""
    NO_TOKEN = "no token"
    """It never was a token of that service."""
