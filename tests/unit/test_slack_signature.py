"""What is taken for Slack's: the signature over the raw body, five minutes to either side, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from slack_sdk.signature import SignatureVerifier

from costwatch.core.slack_signature import WINDOW, Distrust, distrust, doubt_before_reading_it, not_ours, signed

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
BODY = b"payload=%7B%22type%22%3A%22block_actions%22%7D"
SECOND = timedelta(seconds=1)


def stamp(at: datetime = NOW) -> str:
    return str(int(at.timestamp()))


def judged(at: datetime = NOW, *, body: bytes = BODY, secret: str = SECRET, now: datetime = NOW) -> Distrust | None:
    """Of a request that Slack signed at `at` with SECRET."""
    return distrust(body, stamp(at), signed(BODY, stamp(at), secret=SECRET), secret=secret, now=now)


def test_the_example_of_slacks_own_documentation_verifies() -> None:
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    then = datetime.fromtimestamp(1531420618, UTC)
    assert distrust(body, "1531420618", signature, secret=SECRET, now=then) is None


def test_it_signs_as_slacks_own_library_does() -> None:
    for body in (BODY, b"", "payload=ü".encode(), b"x" * 10_000):
        theirs = SignatureVerifier(SECRET).generate_signature(timestamp=stamp(), body=body)
        assert signed(body, stamp(), secret=SECRET) == theirs


def test_exactly_five_minutes_old_is_still_accepted_and_a_second_more_is_not() -> None:
    assert judged(NOW - WINDOW) is None
    assert judged(NOW - WINDOW - SECOND) is Distrust.OLD


def test_exactly_five_minutes_ahead_is_still_accepted_and_a_second_more_is_not() -> None:
    assert judged(NOW + WINDOW) is None
    assert judged(NOW + WINDOW + SECOND) is Distrust.AHEAD


def test_a_part_of_a_second_counts() -> None:
    assert judged(NOW - WINDOW, now=NOW + timedelta(microseconds=1)) is Distrust.OLD


@pytest.mark.parametrize("body", [BODY + b" ", BODY[:-1], b"", BODY.upper(), BODY.replace(b"%22", b'"')])
def test_another_body_than_the_signed_one_is_refused(body: bytes) -> None:
    assert judged(body=body) is Distrust.OTHER_SIGNATURE


def test_another_timestamp_than_the_signed_one_is_refused() -> None:
    signature = signed(BODY, stamp(NOW - SECOND), secret=SECRET)
    assert distrust(BODY, stamp(), signature, secret=SECRET, now=NOW) is Distrust.OTHER_SIGNATURE


def test_another_secret_is_refused() -> None:
    assert judged(secret=SECRET[:-1]) is Distrust.OTHER_SIGNATURE


def test_an_empty_secret_verifies_nothing_not_even_what_was_signed_with_it() -> None:
    made_with_nothing = signed(BODY, stamp(), secret="")
    assert distrust(BODY, stamp(), made_with_nothing, secret="", now=NOW) is Distrust.NO_SECRET


@pytest.mark.parametrize(
    "timestamp",
    [None, "", " ", "now", "-1", "+1795000000", "1795000000.0", "1_795_000_000", " 1795000000", "1795000000\n",
     "\u0660", "²", "1" * 13, "nan", "1e9", 1795000000, 1795000000.0, True, [], {}, b"1795000000"],
)  # fmt: skip
def test_a_timestamp_that_is_no_text_of_digits_is_refused_and_nothing_is_raised(timestamp: object) -> None:
    signature = signed(BODY, stamp(), secret=SECRET)
    assert distrust(BODY, timestamp, signature, secret=SECRET, now=NOW) is Distrust.NO_TIMESTAMP


def test_a_timestamp_beyond_all_years_is_only_ahead() -> None:
    assert doubt_before_reading_it("9" * 12, "v0=" + "0" * 64, now=NOW) is Distrust.AHEAD
    assert doubt_before_reading_it("0", "v0=" + "0" * 64, now=NOW) is Distrust.OLD


@pytest.mark.parametrize(
    "signature",
    [None, "", "v0=", "v0=" + "0" * 63, "v0=" + "0" * 65, "v1=" + "0" * 64, "v0=" + "G" * 64, "V0=" + "0" * 64,
     "v0=" + "A" * 64, "v0=" + "0" * 64 + "\n", "v0=" + "\u0660" * 64,
     "v0=" + "0" * 64 + ",v0=" + "0" * 64, 5, [], b"v0="],
)  # fmt: skip
def test_a_signature_of_another_shape_is_refused_before_any_secret_is_read(signature: object) -> None:
    assert doubt_before_reading_it(stamp(), signature, now=NOW) is Distrust.NO_SIGNATURE


# --- whose it is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("app", "workspaces", "our_app", "our_workspace", "ours"),
    [
        ("A1", ("T1", ""), "A1", "T1", True),
        ("A1", ("T1", "E1"), "A1", "E1", True),
        ("A2", ("T1", ""), "A1", "T1", False),
        ("A1", ("T2", ""), "A1", "T1", False),
        ("", ("", ""), "A1", "", False),
        ("", ("", ""), "", "T1", False),
        ("A2", ("T2", ""), "", "", True),
        ("", ("", ""), "", "", True),
    ],
)
def test_app_and_workspace_must_be_ours_where_they_are_configured(
    app: str, workspaces: tuple[str, ...], our_app: str, our_workspace: str, ours: bool
) -> None:
    reason = not_ours(app, workspaces, our_app_id=our_app, our_workspace=our_workspace)
    assert (reason is None) is ours
