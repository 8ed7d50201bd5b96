"""What an entry of costwatch.yaml means for each kind of resource that it picks: one policy selector for each.

Tuning and AutoML jobs have defaults of their own: they are made of many jobs and run for days, so unless the entry
itself says otherwise they have 72 hours and are never more than warned about.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from costwatch.config.fields import Declared
from costwatch.core.policy import Mode, Service

if TYPE_CHECKING:
    from costwatch.config.model import DeadMan, Selector

LONG_RUNTIME: Final = timedelta(hours=72)
_LOUDEST: Final = Mode.WARN
_RISING: Final = (Mode.OFF, Mode.OBSERVE, Mode.WARN, Mode.ENFORCE)


def of(selector: Selector) -> Sequence[Service]:
    """What the entry picks, in its own order."""
    if selector.sagemaker is not None:
        return selector.sagemaker.jobs
    return (Service.EC2,)


def name(selector: Selector, kind: Service) -> str:
    """`NAME`, or `NAME/KIND` where the entry lists several kinds."""
    return selector.name if len(of(selector)) == 1 else f"{selector.name}/{kind.value}"


def mode(selector: Selector, kind: Service, dead_man: DeadMan) -> Mode:
    """`dead_man.mode: off` switches every selector off."""
    if dead_man.mode is Mode.OFF:
        return Mode.OFF
    if selector.mode is None and kind.has_children:
        return min(dead_man.mode, _LOUDEST, key=_RISING.index)
    return selector.mode or dead_man.mode


def max_runtime(selector: Selector, kind: Service, dead_man: DeadMan) -> timedelta:
    """With `declared`: the limit of jobs that declare none."""
    if selector.max_runtime is not None and not isinstance(selector.max_runtime, Declared):
        return selector.max_runtime
    return min(LONG_RUNTIME, selector.hard_cap or dead_man.hard_cap) if kind.has_children else dead_man.max_runtime
