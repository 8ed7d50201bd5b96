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
from costwatch.intake.gate import Amend, Asked, GateBatch, GateMessage, GivenUp, Here, Malformed, Withdrawn, gate
from costwatch.intake.heartbeats import Arrived, Canary, Heartbeats, Refused, heartbeats
from costwatch.intake.res import DecisionRequested, PackageChanged, ResMessage, TrainingEnded, res
from costwatch.intake.retraining import retraining

__all__ = [
    "Amend",
    "Arrived",
    "Asked",
    "Canary",
    "Click",
    "DecisionRequested",
    "GateBatch",
    "GateMessage",
    "GivenUp",
    "Heartbeats",
    "Here",
    "Malformed",
    "PackageChanged",
    "PricesRequested",
    "Refused",
    "ResMessage",
    "ResourceChanged",
    "RestoreRequested",
    "SignedClick",
    "StopRequested",
    "SweepRequested",
    "Tick",
    "TrainingEnded",
    "Withdrawn",
    "click",
    "deadman",
    "gate",
    "heartbeats",
    "hint",
    "prices",
    "res",
    "retraining",
    "signed_click",
]
