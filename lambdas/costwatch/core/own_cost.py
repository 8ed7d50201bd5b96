"""What Costwatch itself costs a month: its parts, AWS's list prices, and what AWS gives every account for nothing.

USD, us-east-1, list prices as of 2026-11. A month has 730 hours. Parts are exact, usage is that of a small organisation
(some 300 jobs a month) and rounded up; what rounds to less than a cent a month is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

MONTH: Final = timedelta(hours=730)
_MILLION: Final = Decimal(1_000_000)

USD_A_METRIC: Final = Decimal("0.30")
USD_AN_ALARM_METRIC: Final = Decimal("0.10")
USD_A_DASHBOARD: Final = Decimal("3.00")
USD_A_QUEUE_REQUEST: Final = Decimal("0.40") / _MILLION
USD_A_GB_SECOND: Final = Decimal("0.0000133334")  # Lambda on arm64
USD_AN_INVOCATION: Final = Decimal("0.20") / _MILLION
USD_A_READ: Final = Decimal("0.125") / _MILLION  # DynamoDB on demand
USD_A_WRITE: Final = Decimal("0.625") / _MILLION
USD_A_GB_OF_LOG: Final = Decimal("0.50")
USD_AN_EVENT: Final = Decimal("1.00") / _MILLION  # of one's own, on a bus
USD_A_BEAT: Final = USD_AN_EVENT + 2 * USD_A_QUEUE_REQUEST + USD_AN_INVOCATION + USD_A_READ + USD_A_WRITE

FREE_METRICS: Final = 10
FREE_ALARM_METRICS: Final = 10
FREE_DASHBOARDS: Final = 3
FREE_QUEUE_REQUESTS: Final = 1_000_000
FREE_GB_SECONDS: Final = 400_000
FREE_INVOCATIONS: Final = 1_000_000
FREE_GB_OF_LOG: Final = 5

POLLS_A_MINUTE: Final = 15
"""Of an idle queue that a function reads: Lambda keeps five pollers on it, each waiting for 20 seconds."""
SECONDS_A_SWEEP: Final = Decimal("1.5")
GB_A_SWEEP: Final = Decimal(1)
READS_A_SWEEP: Final = 40
WRITES_A_SWEEP: Final = 10
BYTES_OF_LOG_A_SWEEP: Final = 4_000
BEATS_A_MONTH: Final = 300 * 6 * 12
"""Of 300 jobs that run six hours and beat every five minutes."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a stack is made of, as far as AWS bills it by the month. `alarm_metrics`: over all alarms."""

    metrics: int
    alarm_metrics: int
    dashboards: int
    polled_queues: int
    sweepers: int
    sweep_every: timedelta


@dataclass(frozen=True, slots=True)
class Line:
    """`usd` at list price; `usd_after_free`: where nothing else in the account uses what AWS gives it for nothing."""

    what: str
    amount: Decimal
    unit: str
    usd: Decimal
    usd_after_free: Decimal


@dataclass(frozen=True, slots=True)
class OwnCost:
    """A month of it. Unrounded."""

    lines: tuple[Line, ...]

    @property
    def usd(self) -> Decimal:
        """At list price, with nothing for nothing but an account's first three dashboards."""
        return sum((each.usd for each in self.lines), Decimal(0))

    @property
    def usd_after_free(self) -> Decimal:
        return sum((each.usd_after_free for each in self.lines), Decimal(0))

    @property
    def sentence(self) -> str:
        """For people: `Costwatch itself costs about $4.44 a month at list price, $1.65 after ...`."""
        return (
            f"Costwatch itself costs about ${self.usd:.2f} a month at list price, ${self.usd_after_free:.2f} after "
            "what AWS gives every account for nothing."
        )


def own_cost(parts: Parts, *, dashboards_before: int = 0) -> OwnCost:
    """A month of `parts`. `dashboards_before`: those that the account has besides; a fourth one is billed."""
    sweeps = Decimal(int(MONTH / parts.sweep_every)) * parts.sweepers
    gb_seconds = sweeps * SECONDS_A_SWEEP * GB_A_SWEEP
    polls = Decimal(POLLS_A_MINUTE * int(MONTH / timedelta(minutes=1)) * parts.polled_queues)
    billed = max(0, parts.dashboards + dashboards_before - FREE_DASHBOARDS) if parts.dashboards else 0
    dashboards = USD_A_DASHBOARD * min(parts.dashboards, billed)
    return OwnCost(
        (
            _line("CloudWatch metrics", parts.metrics, "metrics", USD_A_METRIC, FREE_METRICS),
            _line("CloudWatch alarms", parts.alarm_metrics, "metrics in them", USD_AN_ALARM_METRIC, FREE_ALARM_METRICS),
            Line("CloudWatch dashboards", Decimal(parts.dashboards), "dashboards", dashboards, dashboards),
            _line("SQS, idle polling", polls, "requests", USD_A_QUEUE_REQUEST, FREE_QUEUE_REQUESTS),
            _line("Lambda, time", gb_seconds, "GB-seconds", USD_A_GB_SECOND, FREE_GB_SECONDS),
            _line("Lambda, requests", sweeps * 3, "invocations", USD_AN_INVOCATION, FREE_INVOCATIONS),
            _line("DynamoDB, reads", sweeps * READS_A_SWEEP, "read units", USD_A_READ, 0),
            _line("DynamoDB, writes", sweeps * WRITES_A_SWEEP, "write units", USD_A_WRITE, 0),
            _line("Heartbeats", BEATS_A_MONTH, "beats", USD_A_BEAT, 0),
            _line("CloudWatch logs", sweeps * BYTES_OF_LOG_A_SWEEP / 10**9, "GB", USD_A_GB_OF_LOG, FREE_GB_OF_LOG),
        )
    )  # fmt: skip


def _line(what: str, amount: Decimal | int, unit: str, usd_each: Decimal, free: int) -> Line:
    used = Decimal(amount)
    return Line(what, used, unit, used * usd_each, max(Decimal(0), used - free) * usd_each)
