"""Line 12 of the safety contract: the watchdog's own silence is loud."""

from __future__ import annotations

import pytest

from costwatch.adapters.table import Item
from costwatch.errors import PermanentAwsError
from costwatch.procedures.sweep import sweep
from tests.support.memory_table import MemoryTable
from tests.support.town import town


def test_12_a_sweep_that_cannot_read_its_ledger_fails_loudly_instead_of_counting_as_done() -> None:
    of = town()

    class Gone(MemoryTable):
        def query(self, pk: str, *, prefix: str = "") -> list[Item]:
            raise PermanentAwsError(f"dynamodb:Query: ResourceNotFoundException {pk}{prefix}")

    of.table = Gone()
    with pytest.raises(PermanentAwsError):
        sweep(of.watchdog())


def test_12_a_sweep_over_an_empty_account_is_a_sweep() -> None:
    assert sweep(town().watchdog()).failures == []
