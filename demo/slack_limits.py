"""What Slack refuses to post: the limits of text and blocks, and the errors it answers with.

Slack documents characters without saying of which kind. Counted here are UTF-16 units, of which an emoji has two: what
fits so fits by code points too.
"""

from __future__ import annotations

from typing import Any, Final

from demo.slack_elements import ANY_TEXT, Findings, check_element, length

# https://docs.slack.dev/reference/block-kit/blocks
MAX_BLOCKS: Final = 50
MAX_SECTION_CHARACTERS: Final = 3000
MAX_HEADER_CHARACTERS: Final = 150
MAX_FIELDS: Final = 10
MAX_FIELD_CHARACTERS: Final = 2000
MAX_CONTEXT_ELEMENTS: Final = 10
MAX_ACTIONS: Final = 25
MAX_LABEL_CHARACTERS: Final = 2000
MAX_HINT_CHARACTERS: Final = 2000
MAX_BLOCK_ID_CHARACTERS: Final = 255
MAX_TEXT_CHARACTERS: Final = 40_000
MAX_BLOCKS_CHARACTERS: Final = 13_000  # all texts of a message's blocks together


class SlackRefusal(Exception):
    """Slack's `error` text, with its `response_metadata.messages` and whatever else the answer says."""

    def __init__(self, error: str, *messages: str, **more: Any) -> None:
        super().__init__(error)
        self.error = error
        self.messages = messages
        self.more = more


def check_message(text: str, blocks: list[Any]) -> None:
    """Raises what Slack answers instead of posting: no_text, msg_too_long, invalid_blocks or msg_blocks_too_long."""
    if not text and not blocks:
        raise SlackRefusal("no_text")
    if length(text) > MAX_TEXT_CHARACTERS:
        raise SlackRefusal("msg_too_long")
    found = Findings()
    if len(blocks) > MAX_BLOCKS:
        found.note(f"no more than {MAX_BLOCKS} items allowed", "/blocks")
    for position, block in enumerate(blocks):
        _check_block(found, block, f"/blocks/{position}")
    found.unique(blocks, "block_id", "/blocks")
    if found.problems:
        raise SlackRefusal("invalid_blocks", *found.problems)
    if found.characters > MAX_BLOCKS_CHARACTERS:
        raise SlackRefusal("msg_blocks_too_long")


def _check_block(found: Findings, block: Any, pointer: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    checks = {
        "section": _check_section,
        "header": _check_header,
        "context": _check_context,
        "actions": _check_actions,
        "input": _check_input,
        "divider": _check_divider,
    }
    if kind not in checks:
        found.note(f"unsupported type: {kind}", f"{pointer}/type")
        return
    found.short(block, "block_id", MAX_BLOCK_ID_CHARACTERS, pointer)
    checks[kind](found, block, pointer)


def _check_section(found: Findings, block: dict[str, Any], pointer: str) -> None:
    found.fields(block, {"block_id", "text", "fields", "accessory", "expand"}, pointer)
    if "text" not in block and "fields" not in block:
        found.note("missing required field: text or fields", pointer)
    if "text" in block:
        found.text(block["text"], MAX_SECTION_CHARACTERS, f"{pointer}/text", kinds=ANY_TEXT)
    if "fields" in block:
        for position, each in enumerate(found.items(block["fields"], MAX_FIELDS, f"{pointer}/fields")):
            found.text(each, MAX_FIELD_CHARACTERS, f"{pointer}/fields/{position}", kinds=ANY_TEXT)
    if "accessory" in block:
        check_element(found, block["accessory"], f"{pointer}/accessory", kinds=("button", "static_select", "image"))


def _check_header(found: Findings, block: dict[str, Any], pointer: str) -> None:
    found.fields(block, {"block_id", "text"}, pointer)
    found.text(block.get("text"), MAX_HEADER_CHARACTERS, f"{pointer}/text")


def _check_context(found: Findings, block: dict[str, Any], pointer: str) -> None:
    found.fields(block, {"block_id", "elements"}, pointer)
    elements = found.items(block.get("elements"), MAX_CONTEXT_ELEMENTS, f"{pointer}/elements")
    for position, element in enumerate(elements):
        place = f"{pointer}/elements/{position}"
        if isinstance(element, dict) and element.get("type") == "image":
            check_element(found, element, place, kinds=("image",))
        else:
            found.text(element, MAX_SECTION_CHARACTERS, place, kinds=ANY_TEXT)


def _check_actions(found: Findings, block: dict[str, Any], pointer: str) -> None:
    found.fields(block, {"block_id", "elements"}, pointer)
    elements = found.items(block.get("elements"), MAX_ACTIONS, f"{pointer}/elements")
    for position, element in enumerate(elements):
        check_element(found, element, f"{pointer}/elements/{position}", kinds=("button", "static_select"))
    found.unique(elements, "action_id", f"{pointer}/elements")


def _check_input(found: Findings, block: dict[str, Any], pointer: str) -> None:
    known = {"block_id", "label", "element", "dispatch_action", "hint", "optional"}
    found.fields(block, known, pointer, required=("label", "element"))
    found.flags(block, ("dispatch_action", "optional"), pointer)
    if "label" in block:
        found.text(block["label"], MAX_LABEL_CHARACTERS, f"{pointer}/label")
    if "hint" in block:
        found.text(block["hint"], MAX_HINT_CHARACTERS, f"{pointer}/hint")
    if "element" in block:
        kinds = ("plain_text_input", "static_select")
        check_element(found, block["element"], f"{pointer}/element", kinds=kinds)


def _check_divider(found: Findings, block: dict[str, Any], pointer: str) -> None:
    found.fields(block, {"block_id"}, pointer)
