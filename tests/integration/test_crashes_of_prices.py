"""The refresh of the price book, killed before and after each of its calls: the next one writes the same book."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from costwatch.core.price_book import PriceBook, PriceKind
from costwatch.wiring import PricesWiring
from tests.support import policies
from tests.support.builders import NOW
from tests.support.crash import CRASHED, run_dying_everywhere, run_forked
from tests.support.embedded import Account

HOME = "us-east-1"


@pytest.fixture
def account(running: Account) -> Iterator[Account]:
    running.reset(NOW)
    running.document = policies.document(regions=[HOME])
    yield running
    assert running.aws.errors == []


def cold(account: Account) -> PricesWiring:
    """Every client made and none used: what a forked child may go on with."""
    wired = account.prices_wiring()
    _ = wired.price_store, wired.ledger, wired.refused, wired.sources(None).spot(HOME)
    return wired


def book(account: Account) -> PriceBook | None:
    return account.prices_wiring().price_store.load()


@pytest.mark.parametrize("had", [False, True], ids=["the first book", "a book of yesterday"])
def test_a_crash_at_any_call_leaves_the_old_book_or_the_new_one_and_never_half_of_one(
    account: Account, had: bool
) -> None:
    if had:
        account.refresh_prices()
        account.clock.now = NOW + timedelta(days=1)
    before = book(account)
    wired = cold(account)

    def refresh() -> dict[str, Any]:
        return account.refresh_prices(wired)

    begin = account.snapshot()
    whole = run_forked(refresh)
    assert (whole.exit_code, whole.error) == (0, "")
    assert [call.partition(":")[2] for call in whole.calls] == [
        *["Query"] * 2, "GetItem", *["GetProducts"] * 4, *["DescribeSpotPriceHistory"] * 2, "GetItem", "PutItem"
    ]  # fmt: skip
    after = book(account)
    begin()
    crashes = 0
    for ran in run_dying_everywhere(refresh):
        if ran.moment:
            crashes += 1
            assert ran.exit_code == CRASHED
            here = account.snapshot()
            written = ran.moment == "after" and ran.calls[-1].endswith("PutItem")
            assert book(account) == (after if written else before)
            assert run_forked(refresh).answer == whole.answer
            assert book(account) == after
            here()
    assert crashes == len(whole.calls) + 1
    assert after is not None
    assert after.price(PriceKind.TRAINING, HOME, "ml.p4d.24xlarge") is not None


def test_a_malformed_event_is_kept_in_the_queue_of_the_refused_whenever_the_function_dies(account: Account) -> None:
    wired = cold(account)
    for ran in run_dying_everywhere(lambda: account.refresh_prices(wired, {"source": "nobody"})):
        assert ran.calls in ((), ("sqs:SendMessage",))
    assert len(set(account.refused())) == 1
