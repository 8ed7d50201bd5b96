"""Random fleets, judged by an oracle that was written apart (see tests/support/oracle.py)."""

from __future__ import annotations

import ast
import itertools
import multiprocessing
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.support import oracle, oracle_heartbeats
from tests.support.random_fleets import Story, tell
from tests.support.random_heartbeats import tell_with_beats

DECISIONS = 100_000
EACH_AT_LEAST = 0.10
SEEDS = (20261122, 20261123)
"""One process each, as a build machine has two cores; the same stories every time."""
STORIES_EACH = 650
BEATING_STORIES_EACH = 190
LONGEST_SECONDS = 600
AT_LEAST_FOR_SILENCE = {"silent warned": 200, "silent stopped": 80, "silent with many held": 100, "let finish": 50}

setups = st.binary(min_size=13, max_size=13)
fleets = st.lists(st.binary(min_size=14, max_size=14), min_size=8, max_size=20)
steps = st.lists(st.binary(min_size=90, max_size=90), min_size=3, max_size=5)
luck = st.binary(min_size=13, max_size=13)
"""For the beats: Hypothesis would draw most of so many bytes the same. No integer: of those it tries the constants that
it finds in the code, and with each new one every story behind it would be another."""


def test_random_fleets_are_judged_as_the_documents_say(record_property: Callable[[str, object], None]) -> None:
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(len(SEEDS), mp_context=spawned) as processes:
        seen = sum(processes.map(judged, SEEDS, timeout=LONGEST_SECONDS), Counter[str]())
    for_silence = Counter({name: seen.pop(name) for name in list(seen) if name.startswith("silent")})
    for_silence[oracle.FINISHES] = seen[oracle.FINISHES]
    # A run that no selector picks is no decision worth counting.
    decisions = seen.total() - seen[oracle.IGNORED]
    shares = {name: seen[name] / decisions for name in (oracle.STOPPED, oracle.HELD, oracle.WARNED)}
    shown = ", ".join(f"{name} {seen[name]:,} ({share:.0%})" for name, share in shares.items())
    others = ", ".join(f"{name} {seen[name]:,}" for name in (oracle.WOULD_STOP, oracle.KEPT, oracle.IGNORED))
    silence = ", ".join(f"{name} {count:,}" for name, count in sorted(for_silence.items()))
    told = f"{decisions:,} decisions: {shown}; {others} (ignored ones are not counted); {silence}"
    record_property("counted", told)
    assert decisions >= DECISIONS
    assert all(share >= EACH_AT_LEAST for share in shares.values()), shares
    assert all(for_silence[name] >= least for name, least in AT_LEAST_FOR_SILENCE.items()), for_silence


def judged(number: int) -> Counter[str]:
    """Tell stories drawn from the seed `number`; counts of what was decided. Raises Violation with its story."""
    seen: Counter[str] = Counter()

    def told(story: Story) -> None:
        check_timeline(story)
        seen.update(j.seen for j in story.judged)
        seen.update(f"silent {j.seen}" for j in story.judged if j.silent and not j.mass)
        seen.update(f"silent with many {j.seen}" for j in story.judged if j.mass)

    def stories_of(count: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
        def of(function: Callable[..., None]) -> Callable[..., None]:
            return seed(number)(
                settings(
                    max_examples=count,
                    database=None,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                    phases=[Phase.generate],
                )(function)
            )

        return of

    @stories_of(STORIES_EACH)
    @given(setup=setups, fleet=fleets, happenings=steps)
    def stories(setup: bytes, fleet: list[bytes], happenings: list[bytes]) -> None:
        told(tell(setup, fleet, happenings))

    @stories_of(BEATING_STORIES_EACH)
    @given(setup=setups, fleet=fleets, happenings=steps, number=luck)
    def beating_stories(setup: bytes, fleet: list[bytes], happenings: list[bytes], number: bytes) -> None:
        told(tell_with_beats(setup, fleet, happenings, random.Random(number).randbytes(600)))

    stories()
    beating_stories()
    return seen


def check_timeline(story: Story) -> None:
    """Every transition stands in the ledger once: nothing is recorded again that is already so."""
    for run, entries in story.timeline().items():
        told = [entry for entry in entries if entry[1] != "delivered"]
        for (_, before, why), (_, after, again) in itertools.pairwise(told):
            assert (before, why) != (after, again) or before in REPEATED, (run, before, why)
        stops = [transition for _, transition, _ in told if transition in ("stopping", "stop requested")]
        assert ("stop requested", "stop requested") not in itertools.pairwise(stops), (run, stops)
    for subject, count in Counter(event["stop_key"] for event in story.town.world.events).items():
        assert count == 1 or story.failed, f"{subject} was announced {count} times"


REPEATED = frozenset({"extended", "exempted", "released", "paused", "resumed"})
"""What people did, as often as they did it."""


def test_the_oracle_imports_nothing_of_costwatch() -> None:
    imported: set[str] = set()
    for part in (oracle, oracle_heartbeats):
        tree = ast.parse(Path(str(part.__file__)).read_text(encoding="utf-8"))
        imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= {"__future__", "fnmatch", "re", "collections", "collections.abc", "dataclasses", "datetime",
                        "decimal", "itertools", "typing", oracle_heartbeats.__name__}  # fmt: skip
