"""An Auto Scaling group as a value: its numbers, its instances, and what would hinder or undo a stop of all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_SERVING = ("InService", "Pending", "Pending:Wait", "Pending:Proceed")
_ENDING = ("Terminating", "Terminating:Wait", "Terminating:Proceed", "Terminated")


@dataclass(frozen=True, slots=True)
class Capacity:
    """The two numbers a stop sets and `costwatch restore` puts back. The maximum is never touched."""

    min_size: int
    desired: int

    def __str__(self) -> str:
        return f"minimum {self.min_size}, desired {self.desired}"


@dataclass(frozen=True, slots=True)
class GroupMember:
    """An instance as its group describes it."""

    id: str
    lifecycle: str
    """AWS's word: `InService`, `Standby`, `Terminating:Wait`, ..."""
    protected: bool
    """From scale-in. AWS does not look at it when the group's own call ends an instance, so we do."""

    @property
    def serving(self) -> bool:
        """In service or on its way there: the desired capacity counts it."""
        return self.lifecycle in _SERVING

    @property
    def ending(self) -> bool:
        """The group is ending it. Where a hook makes it wait its instance still runs; a retained one is kept."""
        return self.lifecycle in _ENDING


@dataclass(frozen=True, slots=True)
class Group:
    """One group as it is now. Instances of a warm pool are none of its members."""

    name: str
    capacity: Capacity
    max_size: int
    zones: tuple[str, ...]
    suspended: frozenset[str]
    """AWS's names of processes: `Terminate`, `AZRebalance`, ..."""
    tags: Mapping[str, str]
    members: tuple[GroupMember, ...]
    warm_pool: bool = False
    deleting: bool = False
    controller: str = ""
    """For people: who else directs the group, such as `EKS cluster ml`; empty: nobody."""

    @property
    def label(self) -> str:
        return f"Auto Scaling group {self.name}"

    @property
    def ending(self) -> frozenset[str]:
        """Ids of members that the group is ending already."""
        return frozenset(member.id for member in self.members if member.ending)

    @property
    def emptied(self) -> Capacity:
        """What a stop sets: no instance wanted, and a minimum that allows it."""
        return Capacity(0, 0)


@dataclass(frozen=True, slots=True)
class Activity:
    """What the group did last, in AWS's own words."""

    description: str
    cause: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.description, self.cause) if part)
