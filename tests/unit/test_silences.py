"""What says that a silence is the run's own."""

from __future__ import annotations

from dataclasses import replace

from costwatch.core.deadman import Decision, Verdict
from costwatch.core.silences import is_released
from tests.support.builders import HOUR, member, record, run

RECORD = record(run(member(age=13 * HOUR)))
DUE = Decision(Verdict.STOP, "silent", key="stop#enforce#i-0a#start#deadline")


def test_a_release_is_of_the_silence_that_was_released_and_of_no_other() -> None:
    assert is_released(replace(RECORD, released_key=DUE.key), DUE)
    assert not is_released(replace(RECORD, released_key=f"{DUE.key}-of-before"), DUE)
    assert not is_released(RECORD, DUE)
    assert not is_released(None, DUE)


def test_what_mass_silence_held_stays_released_though_its_deadline_has_moved_since() -> None:
    held = replace(RECORD, capped_key="as it was held", capped_for_silence=True)
    assert is_released(replace(held, released_key="as it was held"), DUE)
    assert not is_released(replace(held, released_key="as it was held", capped_for_silence=False), DUE)
    assert not is_released(held, DUE)
