"""What Slack refuses of texts and of the elements that people click, choose from and write into.

Slack knows more elements than these. Here is what the page can show: anything else is refused as unsupported, so that a
card is never accepted and then not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

# https://docs.slack.dev/reference/block-kit/block-elements and .../composition-objects
MAX_BUTTON_CHARACTERS: Final = 75
MAX_BUTTON_VALUE_CHARACTERS: Final = 2000
MAX_URL_CHARACTERS: Final = 3000
MAX_ACTION_ID_CHARACTERS: Final = 255
MAX_PLACEHOLDER_CHARACTERS: Final = 150
MAX_OPTIONS: Final = 100
MAX_OPTION_CHARACTERS: Final = 75
MAX_OPTION_VALUE_CHARACTERS: Final = 150
MAX_INPUT_CHARACTERS: Final = 3000
MAX_ALT_CHARACTERS: Final = 2000
CONFIRM_CHARACTERS: Final = {"title": 100, "text": 300, "confirm": 30, "deny": 30}

STYLES: Final = ("primary", "danger")
PLAIN: Final = ("plain_text",)
ANY_TEXT: Final = ("mrkdwn", "plain_text")
_TRIGGERS: Final = ("on_enter_pressed", "on_character_entered")


def length(text: str) -> int:
    """As the strictest reading of *characters* counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass
class Findings:
    """What is wrong with a message's blocks, in Slack's words, and how many characters of text it has so far."""

    problems: list[str] = field(default_factory=list)
    characters: int = 0

    def note(self, what: str, pointer: str) -> None:
        """One more problem, at this JSON pointer."""
        self.problems.append(f"[ERROR] {what} [json-pointer:{pointer}]")

    def fields(self, thing: dict[str, Any], known: set[str], pointer: str, *, required: tuple[str, ...] = ()) -> None:
        """No field but these, and all of the required."""
        for name in sorted(set(thing) - known - {"type"}):
            self.note(f"invalid additional property: {name}", pointer)
        for name in required:
            if name not in thing:
                self.note(f"missing required field: {name}", pointer)

    def short(self, thing: dict[str, Any], name: str, limit: int, pointer: str) -> None:
        """A string of 1 to `limit` characters, where it is there at all."""
        value = thing.get(name)
        if name not in thing:
            return
        if not isinstance(value, str):
            self.note("must be a string", f"{pointer}/{name}")
        elif not value:
            self.note("must be more than 0 characters", f"{pointer}/{name}")
        elif length(value) > limit:
            self.note(f"must be less than {limit + 1} characters", f"{pointer}/{name}")

    def one_of(self, thing: dict[str, Any], name: str, known: tuple[str, ...], pointer: str) -> None:
        """One of these words, where it is there at all."""
        if name in thing and thing[name] not in known:
            self.note(f"must be one of {', '.join(known)}", f"{pointer}/{name}")

    def flags(self, thing: dict[str, Any], names: tuple[str, ...], pointer: str) -> None:
        """True or false, where they are there at all."""
        for name in names:
            if name in thing and not isinstance(thing[name], bool):
                self.note("must be a boolean", f"{pointer}/{name}")

    def items(self, found: Any, most: int, pointer: str) -> list[Any]:
        """A list of 1 to `most` items; empty when it is none."""
        if not isinstance(found, list) or not 1 <= len(found) <= most:
            self.note(f"between 1 and {most} items allowed", pointer)
        return found if isinstance(found, list) else []

    def unique(self, found: list[Any], name: str, pointer: str) -> None:
        """No two of these objects, each at `pointer`/its position, have the same id; one without gets its own."""
        seen: set[Any] = set()
        for position, each in enumerate(found):
            ident = each.get(name) if isinstance(each, dict) else None
            if ident and str(ident) in seen:
                self.note(f'`{name}` "{ident}" already exists for another element', f"{pointer}/{position}/{name}")
            seen.add(str(ident))

    def text(self, element: Any, limit: int, pointer: str, *, kinds: tuple[str, ...] = PLAIN) -> None:
        """A text object of 1 to `limit` characters; counted."""
        if not isinstance(element, dict) or element.get("type") not in kinds:
            self.note(f"must be a text object of type {' or '.join(kinds)}", pointer)
            return
        self.fields(element, {"text", "emoji", "verbatim"}, pointer, required=("text",))
        self.short(element, "text", limit, pointer)
        self.characters += length(str(element.get("text") or ""))


def check_element(found: Findings, element: Any, pointer: str, *, kinds: tuple[str, ...]) -> None:
    """An element, which may be one of these kinds where it stands."""
    kind = element.get("type") if isinstance(element, dict) else None
    if kind not in kinds:
        found.note(f"unsupported type: {kind}", f"{pointer}/type")
        return
    found.short(element, "action_id", MAX_ACTION_ID_CHARACTERS, pointer)
    if "confirm" in element:
        _check_confirm(found, element["confirm"], f"{pointer}/confirm")
    if "placeholder" in element:
        found.text(element["placeholder"], MAX_PLACEHOLDER_CHARACTERS, f"{pointer}/placeholder")
    checks = {
        "button": _check_button,
        "static_select": _check_select,
        "plain_text_input": _check_input,
        "image": _check_image,
    }
    checks[kind](found, element, pointer)


def _check_button(found: Findings, element: dict[str, Any], pointer: str) -> None:
    known = {"text", "action_id", "url", "value", "style", "confirm", "accessibility_label"}
    found.fields(element, known, pointer)
    found.text(element.get("text"), MAX_BUTTON_CHARACTERS, f"{pointer}/text")
    found.short(element, "value", MAX_BUTTON_VALUE_CHARACTERS, pointer)
    found.short(element, "url", MAX_URL_CHARACTERS, pointer)
    found.short(element, "accessibility_label", MAX_BUTTON_CHARACTERS, pointer)
    found.one_of(element, "style", STYLES, pointer)


def _check_select(found: Findings, element: dict[str, Any], pointer: str) -> None:
    known = {"action_id", "options", "initial_option", "confirm", "focus_on_load", "placeholder"}
    found.fields(element, known, pointer, required=("options",))
    found.flags(element, ("focus_on_load",), pointer)
    options = found.items(element.get("options"), MAX_OPTIONS, f"{pointer}/options") if "options" in element else []
    for position, option in enumerate(options):
        _check_option(found, option, f"{pointer}/options/{position}")
    if "initial_option" in element and element["initial_option"] not in options:
        found.note("must be one of the provided options", f"{pointer}/initial_option")


def _check_option(found: Findings, option: Any, pointer: str) -> None:
    if not isinstance(option, dict):
        found.note("must be an object", pointer)
        return
    found.fields(option, {"text", "value", "description"}, pointer, required=("text", "value"))
    found.text(option.get("text"), MAX_OPTION_CHARACTERS, f"{pointer}/text")
    found.short(option, "value", MAX_OPTION_VALUE_CHARACTERS, pointer)
    if "description" in option:
        found.text(option["description"], MAX_OPTION_CHARACTERS, f"{pointer}/description")


def _check_input(found: Findings, element: dict[str, Any], pointer: str) -> None:
    known = {"action_id", "initial_value", "multiline", "min_length", "max_length", "placeholder"}
    found.fields(element, known | {"dispatch_action_config", "focus_on_load"}, pointer)
    found.flags(element, ("multiline", "focus_on_load"), pointer)
    found.short(element, "initial_value", MAX_INPUT_CHARACTERS, pointer)
    for name, least in (("min_length", 0), ("max_length", 1)):
        value = element.get(name, least)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MAX_INPUT_CHARACTERS:
            found.note(f"must be an integer from {least} to {MAX_INPUT_CHARACTERS}", f"{pointer}/{name}")
    config = element.get("dispatch_action_config", {})
    triggers = config.get("trigger_actions_on", []) if isinstance(config, dict) else None
    if not isinstance(triggers, list) or not set(map(str, triggers)) <= set(_TRIGGERS):
        found.note(f"must be some of {', '.join(_TRIGGERS)}", f"{pointer}/dispatch_action_config/trigger_actions_on")


def _check_image(found: Findings, element: dict[str, Any], pointer: str) -> None:
    found.fields(element, {"image_url", "slack_file", "alt_text"}, pointer, required=("alt_text",))
    found.short(element, "image_url", MAX_URL_CHARACTERS, pointer)
    found.short(element, "alt_text", MAX_ALT_CHARACTERS, pointer)


def _check_confirm(found: Findings, confirm: Any, pointer: str) -> None:
    if not isinstance(confirm, dict):
        found.note("must be an object", pointer)
        return
    found.fields(confirm, {*CONFIRM_CHARACTERS, "style"}, pointer, required=tuple(CONFIRM_CHARACTERS))
    found.one_of(confirm, "style", STYLES, pointer)
    for name, limit in CONFIRM_CHARACTERS.items():
        if name in confirm:
            found.text(confirm[name], limit, f"{pointer}/{name}")
