"""Take a batch of heartbeats: one write for each member, the canaries last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from costwatch.core.beat_path import path_allows
from costwatch.core.policy import Policy
from costwatch.errors import AwsError
from costwatch.intake import Arrived, Canary
from costwatch.procedures.ports import PulsesPort


@dataclass(slots=True)
class Taken:
    """`failed`: ids of the messages that are to be delivered again. `problems`: why, each once."""

    beats: int = 0
    members: int = 0
    failed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def take(pulses: PulsesPort, arrived: Sequence[Arrived], policy: Policy) -> Taken:
    """Write what arrived. What fails is asked for again, and costs nobody else's beat.

    The canaries come last: they prove the way only for beats that have been written. The queue keeps no order, so they
    are taken as they were sent: a later one first would look like a gap.
    """
    taken = Taken()
    canaries = [(message.what.sent_at, message.id) for message in arrived if isinstance(message.what, Canary)]
    by_member: dict[tuple[str, str, str, str], list[Arrived]] = defaultdict(list)
    for message in arrived:
        if not isinstance(message.what, Canary):
            beat = message.what
            by_member[beat.account, beat.region, beat.service.value, beat.member_id].append(message)
    for messages in by_member.values():
        beats = [m.what for m in messages if not isinstance(m.what, Canary)]
        try:
            pulses.take(sorted(beats, key=lambda beat: (beat.received_at, beat.seq)))
        except AwsError as error:
            _failed(taken, [message.id for message in messages], str(error))
        else:
            taken.members += 1
            taken.beats += len(beats)
    for sent_at, message_id in sorted(canaries):
        try:
            pulses.canary(sent_at, path_allows(policy.sweep_every))
        except AwsError as error:
            _failed(taken, [message_id], str(error))
    return taken


def _failed(taken: Taken, ids: Iterable[str], problem: str) -> None:
    taken.failed.extend(ids)
    if problem not in taken.problems:
        taken.problems.append(problem)
