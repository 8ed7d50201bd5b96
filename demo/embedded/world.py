"""What the embedded AWS knows besides moto's own state: its clock, its knobs, its faults, what was published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from demo.embedded.faults import Faults

if TYPE_CHECKING:
    from demo.embedded.price_list_like_aws import PriceListLikeAws

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The real time, aware UTC."""
    return datetime.now(UTC)


COSTWATCH_ROLE: Final = "arn:aws:sts::{account}:assumed-role/costwatch-res/costwatch-res"


@dataclass(frozen=True)
class SnsMessage:
    """One Publish. `heard_by`: the endpoints whose subscriptions were confirmed at that moment; empty means nobody."""

    topic_arn: str
    subject: str | None
    message: str
    at: datetime
    heard_by: tuple[str, ...]


@dataclass
class World:
    """The clock is aware UTC and is asked for every new launch, stop and status; seeded times are never touched by it.

    `spot_relaunch`: an open persistent request is fulfilled `at_once`, or stays open (`held`) until `Fleet.relaunch`.
    `stop_grace`: how long a training job says Stopping before it says Stopped, on `clock`; zero means Stopped at once.
    """

    clock: Clock = utc_now
    spot_relaunch: Literal["at_once", "held"] = "at_once"
    stop_grace: timedelta = timedelta(seconds=120)
    faults: Faults = field(default_factory=Faults)
    sns_messages: list[SnsMessage] = field(default_factory=list)
    # Of the server, for services that call others as Step Functions does; None where there is no server.
    port: int | None = None
    # Who changes what the model registry holds, where it does not matter whose credentials a caller has.
    actor: str = COSTWATCH_ROLE
    # Instances AWS no longer describes (about an hour after their end), with the zone they were in.
    forgotten_instance_zones: dict[str, str] = field(default_factory=dict)
    _prices: PriceListLikeAws | None = None

    def price_list(self) -> PriceListLikeAws:
        """What `GetProducts` answers from; a test changes its rows."""
        if self._prices is None:
            from demo.embedded.price_list_like_aws import (  # noqa: PLC0415 - it needs the world
                PriceListLikeAws,
                catalogue,
            )

            self._prices = PriceListLikeAws(catalogue())
        return self._prices

    def reset(self) -> None:
        """Knobs, faults and messages as new; the clock stays."""
        self.spot_relaunch = "at_once"
        self.stop_grace = timedelta(seconds=120)
        self.faults.clear()
        self.sns_messages.clear()
        self.forgotten_instance_zones.clear()
        self.actor = COSTWATCH_ROLE
        self._prices = None

    @contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        """Do something as of another time (aware), such as an instance that ended an hour ago."""
        clock, self.clock = self.clock, lambda: moment
        try:
            yield
        finally:
            self.clock = clock


_stack: list[World] = []


def current() -> World:
    """The world of the innermost installation. Raises LookupError when nothing is installed."""
    if not _stack:
        raise LookupError("the embedded AWS is not installed")
    return _stack[-1]


def push(world: World) -> bool:
    """Make it the current world; True when it is the first."""
    _stack.append(world)
    return len(_stack) == 1


def pop(world: World) -> bool:
    """Take it away, wherever it stands; True when none is left."""
    _stack.remove(world)
    return not _stack


def naive_utc(moment: datetime) -> datetime:
    """moto keeps UTC without a zone. A naive time is refused: nobody knows what it meant."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    return moment.astimezone(UTC).replace(tzinfo=None)


def naive_now() -> datetime:
    """The current world's time as moto writes it."""
    return naive_utc(current().clock())
