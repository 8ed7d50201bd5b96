"""The one door: a raw event becomes a typed message here, or is refused with a sentence. Nobody else indexes one."""

from costwatch.intake.clicks import Click, SignedClick, click, signed_click
from costwatch.intake.events import (
    PricesRequested,
    ResourceChanged,
    RestoreRequested,
    StopRequested,
    SweepRequested,
    Tick,
    deadman,
    hint,
    prices,
)
from costwatch.intake.heartbeats import Arrived, Canary, Heartbeats, Refused, heartbeats

__all__ = [
    "Arrived",
    "Canary",
    "Click",
    "Heartbeats",
    "PricesRequested",
    "Refused",
    "ResourceChanged",
    "RestoreRequested",
    "SignedClick",
    "StopRequested",
    "SweepRequested",
    "Tick",
    "click",
    "deadman",
    "heartbeats",
    "hint",
    "prices",
    "signed_click",
]
