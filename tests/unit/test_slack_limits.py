"""Whatever people call their runs: every card fits Slack, still says which run and what to do, and calls nobody."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from costwatch.core.blocks import cut, length
from costwatch.core.cards import Card
from costwatch.core.messages import MessageKind
from demo.slack_limits import check_message
from demo.slack_mrkdwn import Piece, parse
from tests.support.cards import CARD_KINDS, RUN_ID, RUN_KINDS, card, texts

INJECTIONS = (
    "<!channel> <!here> <@U123456> <#C123456|general> <!subteam^S123456> <https://evil.example|click> & *bold* _i_ ~s~ "
    "`code` ```block``` > quote &lt;!channel&gt; https://evil.example #general @channel <!date^1^{date}|x>"
)
ABSURD = {
    "256 emoji": "🦄" * 256,
    "emoji of many parts": "👩🏽‍💻" * 100,
    "200 lines": "\n".join(f"i-{n:017x}: UnauthorizedOperation <&> `x` " + "y" * 80 for n in range(200)),
    "control characters": "".join(map(chr, range(32))) + "\x7f\x85\u2028\u202e\u2066 abc",
    "50 regions": ", ".join(f"region-{n}-of-the-moon: 20 x p5.48xlarge" for n in range(50)),
    "1000 members": ", ".join(f"i-{n:017x} terminated" for n in range(1000)),
    "ampersands": "&" * 4000,
    "apostrophes and backticks": "'`" * 128,
    "injections": INJECTIONS,
}
FREE_FACTS = (
    *("name", "owner", "team", "selector", "capacity", "clock", "price_note", "rule"),
    *("reason", "seen", "tag", "problem", "burn", "lines", "head"),
)
COMMAND_OF = {
    MessageKind.WARNING: ["costwatch", "extend", "i-0abc", "4h"],
    MessageKind.STOPPED: ["costwatch", "explain", "i-0abc"],
    MessageKind.HELD: ["costwatch", "release", "hold-1a2b3c4d"],
    MessageKind.FAILED: ["costwatch", "explain", "i-0abc"],
    MessageKind.CAME_BACK: ["costwatch", "explain", "i-0abc"],
    MessageKind.STALLED: ["costwatch", "stop", "i-0abc"],
}


def pieces(made: Card) -> Iterator[Piece]:
    """All pieces that Slack reads in the marked texts of a card and in its push text."""
    marked = [text for kind, text in texts(made) if kind == "mrkdwn"]
    for text in (*marked, made.text):
        yield from flattened(parse(text))


def flattened(found: Sequence[Piece]) -> Iterator[Piece]:
    for piece in found:
        yield piece
        yield from flattened(piece.children)


def commands(made: Card) -> list[list[str]]:
    """What somebody pastes: the code of a card that calls costwatch."""
    code = [piece.text for piece in pieces(made) if piece.kind == "code" and piece.text.startswith("costwatch ")]
    return [shlex.split(each) for each in code]


def assert_slack_takes(made: Card) -> None:
    check_message(made.text, made.blocks)
    for block in Block.parse_all(made.blocks):
        block.validate_json()


def assert_calls_nobody(made: Card, *, mention: str) -> None:
    called = {piece.text for piece in pieces(made) if piece.kind in ("user", "channel", "everyone", "link")}
    assert called <= {f"@{mention}"}
    for block in made.blocks:
        for part in [block.get("text", {}), *block.get("fields", []), *block.get("elements", [])]:
            assert part.get("type") != "mrkdwn" or part["verbatim"] is True, "Slack would link what looks like a link"


@pytest.mark.parametrize("what", ABSURD)
@pytest.mark.parametrize("kind", CARD_KINDS)
def test_absurd_facts_make_a_card_that_slack_takes_and_that_calls_nobody(kind: MessageKind, what: str) -> None:
    made = card(kind, mention="U0MARIA01", **dict.fromkeys(FREE_FACTS, ABSURD[what]))
    assert_slack_takes(made)
    assert_calls_nobody(made, mention="U0MARIA01")
    if kind in RUN_KINDS:
        assert RUN_ID in " ".join(text for _, text in texts(made))
    if kind in COMMAND_OF:
        assert COMMAND_OF[kind] in commands(made)


@pytest.mark.parametrize("what", ABSURD)
@pytest.mark.parametrize("kind", RUN_KINDS)
def test_a_run_tag_as_absurd_as_aws_allows_is_still_a_whole_command(kind: MessageKind, what: str) -> None:
    run_tag = ABSURD[what][:256].replace("\n", " ")  # the longest value of a tag
    made = card(kind, run=f"111122223333/us-east-1/run/{run_tag}", **dict.fromkeys(FREE_FACTS, ABSURD[what]))
    assert_slack_takes(made)
    assert_calls_nobody(made, mention="")
    marked = [text for text_type, text in texts(made) if text_type == "mrkdwn"]
    assert [text for text in marked if text.count("`") % 2] == [], "code that was cut has no end"
    for words in commands(made):
        assert words[1] in ("approve", "extend", "exempt", "explain", "release", "stop")
        assert len(words) == {"extend": 4, "exempt": 7}.get(words[1], 3), "a command that was cut is none"
    if kind in COMMAND_OF:
        assert COMMAND_OF[kind][1] in [words[1] for words in commands(made)]


@settings(max_examples=60)
@given(st.data())
def test_no_text_at_all_breaks_a_card(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(CARD_KINDS))
    bits = st.sampled_from(
        ["<!channel>", "<@U123456>", "&", "&amp;", "`", "*", "\x00", "\n", "🦄", "</", "|", "^", "<"]
    )
    text = st.lists(st.text(max_size=20) | bits, max_size=400 // 20).map("".join)
    made = card(kind, mention="U0MARIA01", **{name: data.draw(text) for name in FREE_FACTS})
    assert_slack_takes(made)
    assert_calls_nobody(made, mention="U0MARIA01")
    if kind in COMMAND_OF:
        assert COMMAND_OF[kind] in commands(made)


@pytest.mark.parametrize("kind", CARD_KINDS)
def test_no_control_character_and_no_turned_sentence_reaches_slack(kind: MessageKind) -> None:
    made = card(kind, **dict.fromkeys(FREE_FACTS, ABSURD["control characters"]))
    said = made.text + "".join(text for _, text in texts(made))
    assert not {c for c in said if (ord(c) < 32 and c != "\n") or c in "\x7f\x85\u2028\u202e\u2066"}
    assert "\n" not in made.blocks[0].get("text", {}).get("text", "") or kind is MessageKind.VERIFIED


def test_a_cut_counts_an_emoji_as_two_and_leaves_no_half_of_one() -> None:
    assert cut("🦄" * 75, 150) == "🦄" * 75
    assert cut("🦄" * 76, 150) == "🦄" * 74 + "…"
    assert length(cut("🦄" * 500, 151)) == 151


def test_a_list_of_a_run_with_emphasis_marks_in_its_name_shows_them() -> None:
    said = texts(card(MessageKind.SUMMARY, lines="*nightly*_run_: warned"))
    assert ("plain_text", "*nightly*_run_: warned") in said
