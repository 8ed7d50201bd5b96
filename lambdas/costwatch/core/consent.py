"""What is known of a yes to what a run costs: kept with its record, so that a sweep need not ask the ledger again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from costwatch.core.policy import Mode


class Word(StrEnum):
    """How it stands. The first two are no question that people know of."""

    LOOKED = "looked"
    """Its purse was looked for, and nothing was drawn."""
    WOULD_ASK = "would ask"
    """In observe: somebody would have been asked."""
    ASKED = "asked"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    DREW = "drew"
    """It drew on a yes that was given before it started."""

    @property
    def asked(self) -> bool:
        """Whether a question, or a yes, is about this very run."""
        return self not in (Word.LOOKED, Word.WOULD_ASK)

    @property
    def covers(self) -> bool:
        return self in (Word.APPROVED, Word.DREW)


@dataclass(frozen=True, slots=True)
class Consent:
    """`at`: since when it stands so, UTC. `cap`: how long a yes lets the run take, from its start; None: no cap."""

    word: Word
    at: datetime
    approval_id: str = ""
    by: str = ""
    """Who answered, for people."""
    cap: timedelta | None = None
    looked_for: str = ""
    """What the run named as its yes when its purse was looked for."""
    nearly_told: bool = False
    """People were told that its money is nearly used up."""
    used_up_told: bool = False
    """In observe: that it would have been stopped is recorded."""
    granted_usd: Decimal | None = None
    """What a yes was for. None: there was none, or nobody knew what it costs."""
    mode: Mode = Mode.ENFORCE
    """Of the gate, when it was asked."""


def undecided(consent: Consent | None) -> bool:
    """Whether no question was asked about the run, and it drew on none."""
    return consent is None or not consent.word.asked


def open_question(consent: Consent | None) -> str:
    """The id of the question about the run that a yes may still answer; empty: there is none."""
    return consent.approval_id if consent is not None and consent.word is Word.ASKED else ""


def to_be_asked(consent: Consent | None, mode: Mode) -> bool:
    """Whether nobody was asked yet by a question that counts in `mode` of the gate.

    One that was withdrawn nobody could answer; one that ran out while nothing was stopped for it is no "no".
    """
    if consent is None or undecided(consent) or consent.word is Word.WITHDRAWN:
        return True
    return consent.word is Word.EXPIRED and mode is Mode.ENFORCE and consent.mode is not Mode.ENFORCE
