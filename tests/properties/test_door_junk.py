"""Twenty thousand bad requests at the door: none is accepted, none reaches the bus, none is answered with a 5xx.

Each is a good one with one to three things wrong, or is junk from the start; a seed makes them again.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

import pytest

from costwatch.adapters.signing_secret import SigningSecret
from costwatch.core.slack_signature import signed
from costwatch.door_wiring import DoorWiring
from costwatch.handlers import door
from costwatch.settings import DoorSettings
from tests.support.slack_posts import APP, SECRET, WORKSPACE, form, headers, payload, slack_event

REQUESTS: Final = 20_000
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
SETTINGS = DoorSettings(
    slack_signing_secret_parameter="/costwatch/slack-signing-secret", slack_app_id=APP, slack_workspace=WORKSPACE
)
Event = dict[str, Any]


class Bus:
    def __init__(self) -> None:
        self.clicks: list[Mapping[str, Any]] = []

    def put(self, **click: Any) -> None:
        self.clicks.append(click)


def opened(bus: Bus, secret: str = SECRET) -> DoorWiring:
    wired = DoorWiring(settings=SETTINGS, env={}, clock=lambda: NOW)
    wired.__dict__["secret"] = SigningSecret(lambda _: secret)
    wired.__dict__["clicks"] = bus
    return wired


# --- values of every kind ---------------------------------------------------------------------------------------


def text(rng: random.Random, most: int = 80) -> str:
    alphabet = rng.choice([string.printable, string.hexdigits, "\x00\u0660\ud800ü\u200b%&=+;,", "0123456789"])
    return "".join(rng.choices(alphabet, k=rng.randrange(most)))


def anything(rng: random.Random, depth: int = 2) -> Any:
    """What JSON can hold, and so what an event can."""
    kinds: list[Callable[[], Any]] = [
        lambda: None,
        lambda: rng.random() < 0.5,
        lambda: rng.choice([0, -1, 1, 2**63, -(10**30), 1795000000]),
        lambda: rng.choice([0.0, -1.5, 1e308, float("inf"), float("nan")]),
        lambda: text(rng),
    ]
    if depth:
        kinds += [
            lambda: [anything(rng, depth - 1) for _ in range(rng.randrange(3))],
            lambda: {text(rng, 12): anything(rng, depth - 1) for _ in range(rng.randrange(3))},
        ]
    return rng.choice(kinds)()


def other(rng: random.Random, than: object) -> Any:
    while (found := anything(rng)) == than:
        pass
    return found


# --- what is wrong ----------------------------------------------------------------------------------------------
# Each takes a good event and gives a bad one. Those of the second list are signed with the right secret: they must be
# refused for what they say.


def _header(rng: random.Random, event: Event, name: str) -> Event:
    """Missing, of another kind, or junk. Numbers of another spelling are no numbers to us."""
    good = event["headers"][name]
    spelt = [f" {good}", f"{good} ", f"{good},{good}", good[:-1], f"{good}0"]
    bad = rng.choice([None, other(rng, good), text(rng), *spelt])
    return {**event, "headers": {**event["headers"], name: bad}}


def bad_signature(rng: random.Random, event: Event) -> Event:
    good = event["headers"]["x-slack-signature"]
    place = rng.randrange(3, len(good))
    flipped = good[:place] + rng.choice([c for c in "0123456789abcdef" if c != good[place]]) + good[place + 1 :]
    bad = rng.choice([flipped, good.upper(), good[3:], good.replace("v0", "v1"), "v0=" + "0" * 64])
    return {**event, "headers": {**event["headers"], "x-slack-signature": bad}}


def header_signature(rng: random.Random, event: Event) -> Event:
    return _header(rng, event, "x-slack-signature")


def header_timestamp(rng: random.Random, event: Event) -> Event:
    return _header(rng, event, "x-slack-request-timestamp")


def header_twice(rng: random.Random, event: Event) -> Event:
    name = rng.choice(["x-slack-signature", "x-slack-request-timestamp"])
    return {**event, "headers": {**event["headers"], name.title(): event["headers"][name]}}


def no_headers(rng: random.Random, event: Event) -> Event:
    junk = {text(rng, 20): anything(rng) for _ in range(rng.randrange(5))}
    return {**event, "headers": rng.choice([None, [], junk, anything(rng)])}


def replayed(rng: random.Random, event: Event) -> Event:
    """A true request of Slack's, seen again outside of the window, or not yet in it."""
    del event
    away = timedelta(seconds=rng.choice([301, 302, 3600, 86_400 * 365, rng.randrange(301, 10**8)]))
    return slack_event(NOW - away if rng.random() < 0.8 else NOW + away)


def old_signature_new_time(rng: random.Random, event: Event) -> Event:
    old = slack_event(NOW - timedelta(seconds=rng.randrange(301, 10**6)))
    fresh = event["headers"]["x-slack-request-timestamp"]
    return {**old, "headers": {**old["headers"], "x-slack-request-timestamp": fresh}}


def other_secret(rng: random.Random, event: Event) -> Event:
    del event
    guessed = text(rng, 40).encode("ascii", "ignore").decode()
    return slack_event(NOW, secret=rng.choice(["", SECRET[:-1], SECRET + "0", SECRET.upper(), guessed]))


def tampered(rng: random.Random, event: Event) -> Event:
    body = bytearray(form())
    match rng.randrange(4):
        case 0:
            body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
        case 1:
            del body[rng.randrange(len(body)) :]
        case 2:
            body += rng.choice([b"&", b"&x=1", b"\n", b"%20", b" "])
        case _:
            body = bytearray(rng.randbytes(rng.randrange(400)))
    return {**event, "body": base64.b64encode(bytes(body)).decode(), "isBase64Encoded": True}


def base64_lies(rng: random.Random, event: Event) -> Event:
    body = event["body"]
    return rng.choice(
        [
            {**event, "isBase64Encoded": False},
            {**event, "body": form().decode()},
            {**event, "isBase64Encoded": other(rng, True)},
            {**event, "body": body[:-1]},
            {**event, "body": body + rng.choice(["=", "\n", " ", "AAAA"])},
            {**event, "body": base64.b64encode(body.encode()).decode()},
        ]
    )


def body_of_any_kind(rng: random.Random, event: Event) -> Event:
    return {**event, "body": other(rng, event["body"]), "isBase64Encoded": rng.choice([True, False, anything(rng)])}


_HUGE = "x" * 10_000_000


def huge(rng: random.Random, event: Event) -> Event:
    size = rng.choice([200_004, 266_672, 300_000, 1_000_000, 10_000_000])
    return {**event, "body": _HUGE[:size], "isBase64Encoded": rng.random() < 0.5}


def elsewhere(rng: random.Random, event: Event) -> Event:
    if rng.random() < 0.5:
        return {**event, "rawPath": rng.choice(["/", "/slack/", "/SLACK", "/slack%20", other(rng, "/slack")])}
    method = rng.choice(["GET", "PUT", "DELETE", "post", other(rng, "POST")])
    context = rng.choice([{"http": {"method": method}}, {"http": anything(rng)}, anything(rng)])
    return {**event, "requestContext": context}


def no_event(rng: random.Random, event: Event) -> Any:
    """Nothing of it, or other values, or too few of its keys."""
    some = rng.sample(list(event), rng.randrange(len(event) - 3))
    return rng.choice([anything(rng), {key: anything(rng) for key in event}, {key: event[key] for key in some}])


UNSIGNED = [
    bad_signature,
    header_signature,
    header_timestamp,
    header_twice,
    no_headers,
    replayed,
    old_signature_new_time,
    other_secret,
    tampered,
    base64_lies,
    body_of_any_kind,
    huge,
    elsewhere,
    no_event,
]


def _signed(body: bytes, **more: str) -> Event:
    return slack_event(NOW, body, **more)


def signed_junk(rng: random.Random) -> Event:
    return _signed(rng.choice([rng.randbytes(rng.randrange(300)), text(rng, 300).encode("utf-8", "replace")]))


def signed_no_form(rng: random.Random) -> Event:
    kinds = ["", "application/json", "text/plain", "multipart/form-data; boundary=x", text(rng, 30), anything(rng)]
    event = _signed(form())
    return {**event, "headers": {**event["headers"], "content-type": rng.choice(kinds)}}


def signed_fields(rng: random.Random) -> Event:
    good = urlencode({"payload": json.dumps(payload())})
    several = [f"{good}&{good}", f"{good}&payload=", f"{good}&payload", f"&{good}"]
    none = [f"Payload={quote('{}')}", good.replace("payload", "payloads"), good.replace("=", "%3D", 1)]
    return _signed(rng.choice(several + none).encode())


def signed_no_json(rng: random.Random) -> Event:
    good = json.dumps(payload())
    broken = [good[: rng.randrange(len(good))], good + "}", "{'a': 1}", "\ufeff" + good, "[" * 60_000, "1" * 10_000]
    no_object = [f"[{good}]", json.dumps(rng.choice([None, True, 1, 0.5, [], "x"]))]
    return _signed(urlencode({"payload": rng.choice(broken + no_object)}).encode())


def signed_foreign(rng: random.Random) -> Event:
    elsewhere = [{"api_app_id": other(rng, APP)}, {"team": anything(rng)}, {"team": {"id": other(rng, WORKSPACE)}}]
    return _signed(form(payload(**rng.choice(elsewhere))))


def signed_huge(rng: random.Random) -> Event:
    return _signed(form(payload(state="x" * rng.randrange(200_000, 240_000))))


SIGNED = [signed_junk, signed_no_form, signed_fields, signed_no_json, signed_foreign, signed_huge]
WEIGHTS = [4, 4, 4, 4, 4, 1]


def bad_request(rng: random.Random, good: Event) -> tuple[str, Any]:
    """With the names of what is wrong with it."""
    if rng.random() < 0.35:
        (make,) = rng.choices(SIGNED, WEIGHTS)
        event, told = make(rng), make.__name__
        if rng.random() < 0.3:
            also = rng.choice(UNSIGNED[:5])
            event, told = also(rng, event), f"{told}+{also.__name__}"
        return told, event
    (spoil,) = rng.choices(UNSIGNED, [1 if each is huge else 8 for each in UNSIGNED])
    return spoil.__name__, spoil(rng, good)


def test_none_of_20_000_bad_requests_is_accepted_or_answered_with_a_5xx(
    capsys: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]
) -> None:
    rng, bus = random.Random(20261127), Bus()
    wired, good = opened(bus), slack_event(NOW)
    statuses: Counter[int] = Counter()
    kinds: Counter[str] = Counter()
    for _ in range(REQUESTS):
        what, event = bad_request(rng, good)
        answer = door.handle(event, None, wired)
        assert 400 <= answer["statusCode"] < 500, (what, event, answer)
        assert answer["body"] == door._SAID[answer["statusCode"]]
        statuses[answer["statusCode"]] += 1
        kinds[what] += 1
        if sum(statuses.values()) % 1000 == 0:
            capsys.readouterr()  # a line of log each
    assert bus.clicks == []
    assert set(statuses) == {400, 401, 403, 404, 405, 413}
    assert {each.__name__ for each in [*UNSIGNED, *SIGNED]} <= set(kinds)
    assert min(kinds[each.__name__] for each in [*UNSIGNED, *SIGNED]) >= 50
    record_property("counted", f"{REQUESTS:,} bad requests: {dict(sorted(statuses.items()))}")


def test_the_good_request_that_they_are_made_of_is_accepted() -> None:
    bus = Bus()
    assert door.handle(slack_event(NOW), None, opened(bus))["statusCode"] == 200
    assert len(bus.clicks) == 1


def test_with_no_secret_not_even_the_good_one_is() -> None:
    bus = Bus()
    for secret in (SECRET, ""):
        body = form()
        timestamp = headers(body, NOW)["X-Slack-Request-Timestamp"]
        event = slack_event(NOW, secret=secret)
        assert event["headers"]["x-slack-signature"] == signed(body, timestamp, secret=secret)
        assert door.handle(event, None, opened(bus, secret=""))["statusCode"] == 401
    assert bus.clicks == []
