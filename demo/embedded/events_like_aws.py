"""EventBridge as AWS behaves: an event in a queue names its account, and CloudFormation's Ref of a bus is its name.

A rule that leads to a function takes an event as any other does. The function is invoked by whoever drives it: moto
fails the PutEvents instead.
"""

from __future__ import annotations

import copy
from typing import Any, Final

from moto.events.models import EventBus, Rule
from moto.events.utils import EventTemplateParser

from demo.embedded.patching import Patch

_WHOLE_EVENT: Final = (
    '{"version": "0", "id": "<id>", "detail-type": "<detail-type>", "source": "<source>", "account": "<account>", '
    '"time": <time>, "region": "<region>", "resources": <resources>, "detail": <detail>}'
)

_moto_send_to_targets = Rule.send_to_targets


def _send_to_targets(rule: Any, event: Any, transform_input: bool = True) -> None:
    others = copy.copy(rule)
    others.targets = [target for target in rule.targets if target["Arn"].split(":")[2] != "lambda"]
    _moto_send_to_targets(others, event, transform_input)


def _name(bus: Any) -> str:
    return str(bus.name)


def patches() -> list[Patch]:
    """What `install` applies."""
    return [
        Patch(EventTemplateParser, "DEFAULT_EVENT_INPUT_TEMPLATE", _WHOLE_EVENT),
        Patch(Rule, "send_to_targets", _send_to_targets),
        Patch(EventBus, "physical_resource_id", property(_name)),
    ]
