"""The ledger's keys: made here and nowhere else, so that whatever a tag holds DynamoDB takes them."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from costwatch import names
from costwatch.adapters.table import LONGEST_PARTITION_KEY_BYTES, LONGEST_SORT_KEY_BYTES, Key

_DIGEST: Final = 64
_MARK: Final = "#sha256:"


def key(pk: str, sk: str) -> Key:
    """The key as it is where it is short; else a readable beginning and the SHA-256 of the whole.

    Made keys are longer than any that is left as it is, so no tag can be written that meets another's made key.
    """
    return Key(_fitting(pk, LONGEST_PARTITION_KEY_BYTES), _fitting(sk, LONGEST_SORT_KEY_BYTES))


def _fitting(text: str, most_bytes: int) -> str:
    whole = text.encode()
    # A cut in the middle of a character costs three bytes at most: a made key is still longer than this.
    longest_plain = most_bytes - len(_MARK) - _DIGEST
    if len(whole) <= longest_plain:
        return text
    return whole[:longest_plain].decode(errors="ignore") + _MARK + sha256(whole).hexdigest()


def keyed(row: Key) -> dict[str, Any]:
    """A key as the attributes of its row."""
    return {names.TABLE_PARTITION_KEY: row.pk, names.TABLE_SORT_KEY: row.sk}
