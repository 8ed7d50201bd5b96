"""What Slack refuses to post: the limits of text and blocks, and the errors it answers with.

Slack documents characters without saying of which kind. Counted here are UTF-16 units, of which an emoji has two: what
fits so fits by code points too.
"""

from __future__ import annotations

from typing import Any, Final

# https://api.slack.com/reference/block-kit/blocks
MAX_BLOCKS: Final = 50
MAX_SECTION_CHARACTERS: Final = 3000
MAX_HEADER_CHARACTERS: Final = 150
MAX_FIELDS: Final = 10
MAX_FIELD_CHARACTERS: Final = 2000
MAX_CONTEXT_ELEMENTS: Final = 10
MAX_ACTIONS: Final = 25
MAX_BUTTON_CHARACTERS: Final = 75
MAX_BUTTON_VALUE_CHARACTERS: Final = 2000
MAX_BLOCK_ID_CHARACTERS: Final = 255
MAX_ACTION_ID_CHARACTERS: Final = 255
MAX_TEXT_CHARACTERS: Final = 40_000
MAX_BLOCKS_CHARACTERS: Final = 13_000  # all texts of a message's blocks together


class SlackRefusal(Exception):
    """Slack's `error` text, with its `response_metadata.messages`."""

    def __init__(self, error: str, *messages: str) -> None:
        super().__init__(error)
        self.error = error
        self.messages = messages


def length(text: str) -> int:
    """As the strictest reading of *characters* counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _text_of(element: Any, pointer: str, limit: int, problems: list[str], *, kinds: tuple[str, ...]) -> int:
    """The length of a text object after noting what is wrong with it."""
    if not isinstance(element, dict) or element.get("type") not in kinds:
        problems.append(f"must be a text object of type {' or '.join(kinds)} [json-pointer:{pointer}]")
        return 0
    text = element.get("text")
    if not isinstance(text, str) or not text:
        problems.append(f"must be more than 0 characters [json-pointer:{pointer}/text]")
        return 0
    if length(text) > limit:
        problems.append(f"must be less than {limit + 1} characters [json-pointer:{pointer}/text]")
    return length(text)


def _check_section(block: dict[str, Any], pointer: str, problems: list[str]) -> int:
    total = 0
    kinds = ("mrkdwn", "plain_text")
    if "text" not in block and "fields" not in block:
        problems.append(f"missing required field: text or fields [json-pointer:{pointer}]")
    if "text" in block:
        total += _text_of(block["text"], f"{pointer}/text", MAX_SECTION_CHARACTERS, problems, kinds=kinds)
    fields = block.get("fields", [])
    if "fields" in block and not 1 <= len(fields) <= MAX_FIELDS:
        problems.append(f"between 1 and {MAX_FIELDS} items allowed [json-pointer:{pointer}/fields]")
    for position, each in enumerate(fields):
        total += _text_of(each, f"{pointer}/fields/{position}", MAX_FIELD_CHARACTERS, problems, kinds=kinds)
    return total


def _check_button(element: dict[str, Any], pointer: str, problems: list[str]) -> int:
    if element.get("type") != "button":
        return 0
    if len(str(element.get("value", ""))) > MAX_BUTTON_VALUE_CHARACTERS:
        problems.append(
            f"must be less than {MAX_BUTTON_VALUE_CHARACTERS + 1} characters [json-pointer:{pointer}/value]"
        )
    if len(str(element.get("action_id", ""))) > MAX_ACTION_ID_CHARACTERS:
        problems.append(
            f"must be less than {MAX_ACTION_ID_CHARACTERS + 1} characters [json-pointer:{pointer}/action_id]"
        )
    return _text_of(element.get("text"), f"{pointer}/text", MAX_BUTTON_CHARACTERS, problems, kinds=("plain_text",))


def _check_elements(block: dict[str, Any], pointer: str, problems: list[str]) -> int:
    limit = MAX_ACTIONS if block["type"] == "actions" else MAX_CONTEXT_ELEMENTS
    elements = block.get("elements") or []
    if not 1 <= len(elements) <= limit:
        problems.append(f"between 1 and {limit} items allowed [json-pointer:{pointer}/elements]")
    total = 0
    for position, element in enumerate(elements):
        place = f"{pointer}/elements/{position}"
        if block["type"] == "actions":
            total += _check_button(element, place, problems)
        elif element.get("type") != "image":
            total += _text_of(element, place, MAX_SECTION_CHARACTERS, problems, kinds=("mrkdwn", "plain_text"))
    return total


def _check_block(block: Any, pointer: str, problems: list[str]) -> int:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind is not None and len(str(block.get("block_id", ""))) > MAX_BLOCK_ID_CHARACTERS:
        problems.append(f"must be less than {MAX_BLOCK_ID_CHARACTERS + 1} characters [json-pointer:{pointer}/block_id]")
    if kind == "section":
        return _check_section(block, pointer, problems)
    if kind == "header":
        return _text_of(block.get("text"), f"{pointer}/text", MAX_HEADER_CHARACTERS, problems, kinds=("plain_text",))
    if kind in ("context", "actions"):
        return _check_elements(block, pointer, problems)
    if kind != "divider":
        problems.append(f"unsupported type: {kind} [json-pointer:{pointer}/type]")
    return 0


def check_message(text: str, blocks: list[Any]) -> None:
    """Raises what Slack answers instead of posting: no_text, msg_too_long, invalid_blocks or msg_blocks_too_long."""
    if not text and not blocks:
        raise SlackRefusal("no_text")
    if length(text) > MAX_TEXT_CHARACTERS:
        raise SlackRefusal("msg_too_long")
    problems: list[str] = []
    if len(blocks) > MAX_BLOCKS:
        problems.append(f"no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]")
    total = sum(_check_block(block, f"/blocks/{position}", problems) for position, block in enumerate(blocks))
    ids = [block["block_id"] for block in blocks if isinstance(block, dict) and block.get("block_id")]
    if len(ids) != len(set(ids)):
        problems.append("block_id must be unique [json-pointer:/blocks]")
    if problems:
        raise SlackRefusal("invalid_blocks", *(f"[ERROR] {problem}" for problem in problems))
    if total > MAX_BLOCKS_CHARACTERS:
        raise SlackRefusal("msg_blocks_too_long")
