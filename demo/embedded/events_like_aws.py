"""EventBridge as AWS behaves: an event in a queue names its account, and CloudFormation's Ref of a bus is its name."""

from __future__ import annotations

from typing import Any, Final

from moto.events.models import EventBus
from moto.events.utils import EventTemplateParser

from demo.embedded.patching import Patch

_WHOLE_EVENT: Final = (
    '{"version": "0", "id": "<id>", "detail-type": "<detail-type>", "source": "<source>", "account": "<account>", '
    '"time": <time>, "region": "<region>", "resources": <resources>, "detail": <detail>}'
)


def _name(bus: Any) -> str:
    return str(bus.name)


def patches() -> list[Patch]:
    """What `install` applies."""
    return [
        Patch(EventTemplateParser, "DEFAULT_EVENT_INPUT_TEMPLATE", _WHOLE_EVENT),
        Patch(EventBus, "physical_resource_id", property(_name)),
    ]
