"""The four words that every guard and every selector has for how far it goes."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """off: nothing. observe: only the ledger. warn: cards, no act. enforce: cards and acts."""

    OFF = "off"
    OBSERVE = "observe"
    WARN = "warn"
    ENFORCE = "enforce"
