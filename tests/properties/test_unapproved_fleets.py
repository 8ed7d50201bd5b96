"""While the gate does not enforce, money stops nobody: any fleet is warned, held and stopped as without it."""

from __future__ import annotations

from datetime import datetime

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.random_fleets import Story, tell
from tests.support.town import DESTRUCTIVE

OF_MONEY = {
    "would have held",
    "would have been stopped for its money",
    "approval asked",
    "money nearly used up",
    "drew on no approval",
}
"""What a gate that does not enforce adds to a timeline."""
setups = st.binary(min_size=13, max_size=13)
fleets = st.lists(st.binary(min_size=14, max_size=14), min_size=6, max_size=14)
steps = st.lists(st.binary(min_size=90, max_size=90), min_size=3, max_size=5)


def ended(story: Story) -> list[tuple[str, datetime | None, str]]:
    world = story.town.world
    instances = [(name, each.ended_at, each.ended_by) for name, each in world.instances.items()]
    return instances + [(name, each.ended_at, each.ended_by) for name, each in world.jobs.items()]


def acts(story: Story) -> list[tuple[str, str, tuple[str, ...]]]:
    return [call for call in story.town.world.calls if call[0] in DESTRUCTIVE]


def timeline(story: Story) -> dict[str, list[tuple[str, str, str]]]:
    """Of one moment in no order: what people do there is written under the version that the row has by then."""
    told = story.timeline().items()
    return {run: sorted(entry for entry in entries if entry[1] not in OF_MONEY) for run, entries in told}


@settings(
    max_examples=120,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(setup=setups, fleet=fleets, happenings=steps)
def test_off_observe_and_warn_stop_the_same(setup: bytes, fleet: list[bytes], happenings: list[bytes]) -> None:
    without = tell(setup, fleet, happenings)
    observed, warned = (tell(setup, fleet, happenings, approval=mode) for mode in ("observe", "warn"))
    assert acts(observed) == acts(warned) == acts(without)
    assert ended(observed) == ended(warned) == ended(without)
    assert timeline(observed) == timeline(without)
    seen.update(entry[1] for story in (observed, warned) for all_ in story.timeline().values() for entry in all_)


seen: set[str] = set()


def test_and_there_was_money_to_speak_of() -> None:
    """The stories above are about dear runs too: else they would show nothing."""
    assert {"would have held", "would have been stopped for its money", "approval asked", "stopping"} <= seen
