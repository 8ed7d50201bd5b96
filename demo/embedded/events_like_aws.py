"""EventBridge as AWS behaves: an event that a rule puts into a queue names the account it was sent from."""

from __future__ import annotations

from typing import Final

from moto.events.utils import EventTemplateParser

from demo.embedded.patching import Patch

_WHOLE_EVENT: Final = (
    '{"version": "0", "id": "<id>", "detail-type": "<detail-type>", "source": "<source>", "account": "<account>", '
    '"time": <time>, "region": "<region>", "resources": <resources>, "detail": <detail>}'
)


def patches() -> list[Patch]:
    """What `install` applies."""
    return [Patch(EventTemplateParser, "DEFAULT_EVENT_INPUT_TEMPLATE", _WHOLE_EVENT)]
