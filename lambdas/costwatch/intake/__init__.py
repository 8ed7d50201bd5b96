"""The one door: a raw event becomes a typed message here, or is refused with a sentence. Nobody else indexes one."""

from costwatch.intake.events import (
    ResourceChanged,
    RestoreRequested,
    StopRequested,
    SweepRequested,
    Tick,
    deadman,
    hint,
)
from costwatch.intake.heartbeats import Arrived, Canary, Heartbeats, Refused, heartbeats

__all__ = [
    "Arrived",
    "Canary",
    "Heartbeats",
    "Refused",
    "ResourceChanged",
    "RestoreRequested",
    "StopRequested",
    "SweepRequested",
    "Tick",
    "deadman",
    "heartbeats",
    "hint",
]
