"""What one flush of the outbox learns about Slack, so that nothing waits for it twice."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class SlackSeen:
    """What one flush has learnt about Slack."""

    up: bool = True
    """No post has failed in a way that the next one would share."""
    lookups: bool = True
    """No lookup failed for being told to wait, or slowly: the next one would, too, and use up the others' time."""
    lost_owners: set[str] = field(default_factory=set)
    """Whose lookup failed: not asked again."""
