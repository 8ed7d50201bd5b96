"""EC2 in one region: read instances and spot requests, cancel requests, terminate, stop. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from costwatch.adapters import controllers
from costwatch.adapters.aws_errors import translated
from costwatch.adapters.ec2_answer import read_only_what_is_needed
from costwatch.core import candidates
from costwatch.core.candidates import Filters
from costwatch.core.model import Clock, Member, Run, RunId, RunKind, SpotRequest
from costwatch.core.policy import Action, PurchaseOption, Service

if TYPE_CHECKING:
    from mypy_boto3_ec2.client import EC2Client

_ALIVE = ("pending", "running")
LARGEST_PAGE = 1000
_LINUX = "Linux/UNIX"


class Ec2:
    """One account and region. Raises TransientAwsError or PermanentAwsError.

    The client is its own from now on: it reads of every instance only what is needed here.
    """

    def __init__(self, client: EC2Client, *, region: str) -> None:
        read_only_what_is_needed(client)
        self._client = client
        self.region = region

    def instances(self, types: Sequence[str] = ()) -> list[Member]:
        """All pending and running instances; protection and spot requests are not read.

        `types`: wildcards such as `p4d.*`, matched by EC2 itself; empty means any.
        """
        wanted = candidates.everything()
        return list(self.matching((*wanted, ("instance-type", tuple(types))) if types else wanted))

    def matching(self, filters: Filters, page: int = LARGEST_PAGE) -> Iterator[Member]:
        """What passes EC2's own filters, `page` at a time as it is asked for: no page is kept. AwsError as it goes."""
        wanted: list[Any] = [{"Name": name, "Values": list(values)} for name, values in filters]
        with translated("ec2:DescribeInstances"):
            answers = self._client.get_paginator("describe_instances").paginate(
                Filters=wanted, PaginationConfig={"PageSize": page}
            )
            for answer in answers:
                left = answer["Reservations"]
                left.reverse()
                while left:  # what was read is let go: the paginator has this answer while it asks for the next one
                    yield from map(_member, left.pop()["Instances"])

    def instances_by_id(self, ids: Iterable[str]) -> dict[str, Member]:
        """The named instances in any state; one that EC2 no longer knows is absent."""
        # A filter, unlike InstanceIds, does not fail the whole call for one id that is gone.
        by_chunk = (self.matching((("instance-id", tuple(chunk)),)) for chunk in candidates.chunks(ids))
        return {member.id: member for members in by_chunk for member in members}

    def instances_by_tag(self, key: str, value: str) -> list[Member]:
        """Pending and running instances whose tag has exactly this value."""
        found = self.matching((*candidates.everything(), (f"tag:{key}", (candidates.exactly(value),))))
        # EC2 reads * and ? in a filter as wildcards: a run called `*` must never mean every run.
        return [member for member in found if (member.tags or {}).get(key) == value]

    def afresh(self, run: Run, run_tag: str, action: Action = Action.TERMINATE) -> Run:
        """The run as it is now: members (by run tag or id), spot requests, and the protection `action` runs into.

        Termination protection always, stop protection where instances would be stopped.
        """
        return self.with_protection(self.afresh_together([run], run_tag)[run.id], action)

    def afresh_together(self, runs: Sequence[Run], run_tag: str) -> dict[RunId, Run]:
        """The runs as they are now, with spot requests and without what protects them: a few calls for all of them."""
        tagged = {run.id.name: run.id for run in runs if run.id.kind is RunKind.TAGGED}
        alone = {m.id: run.id for run in runs if run.id.kind is not RunKind.TAGGED for m in run.members}
        members: dict[RunId, list[Member]] = {run.id: [] for run in runs}
        for filters in candidates.of_runs(tagged.values(), run_tag):
            for member in self.matching(filters):
                # EC2 reads * and ? in a filter as wildcards: a run called `*` must never mean every run.
                if (run_id := tagged.get((member.tags or {}).get(run_tag, ""))) is not None:
                    members[run_id].append(member)
        for filters in candidates.with_ids(alone):
            for member in self.matching(filters):
                members[alone[member.id]].append(member)
        wanted = (m.spot_request_id for found in members.values() for m in found if m.spot_request_id)
        requests = self.spot_requests(wanted)
        return {run_id: _afresh(run_id, found, requests) for run_id, found in members.items()}

    def with_protection(self, run: Run, action: Action) -> Run:
        """Termination protection of each member; stop protection too where `action` is to stop. A call for each."""
        members = tuple(
            replace(
                member,
                termination_protection=self.termination_protection(member.id),
                stop_protection=self._stop_protection(member.id) if action is Action.STOP else None,
            )
            for member in run.members
        )
        return replace(run, members=members)

    def termination_protection(self, instance_id: str) -> bool:
        """Whether EC2 refuses to terminate it. One call for each instance."""
        with translated("ec2:DescribeInstanceAttribute"):
            answer = self._client.describe_instance_attribute(InstanceId=instance_id, Attribute="disableApiTermination")
        return bool(answer["DisableApiTermination"]["Value"])

    def spot_requests(self, ids: Iterable[str]) -> dict[str, SpotRequest]:
        """Spot requests by id; one that EC2 no longer knows is absent."""
        found: dict[str, SpotRequest] = {}
        paginator = self._client.get_paginator("describe_spot_instance_requests")
        for chunk in candidates.chunks(ids):
            with translated("ec2:DescribeSpotInstanceRequests"):
                for page in paginator.paginate(Filters=[{"Name": "spot-instance-request-id", "Values": list(chunk)}]):
                    for raw in page["SpotInstanceRequests"]:
                        request = _spot_request(raw)
                        found[request.id] = request
        return found

    def cancel_spot_requests(self, ids: Sequence[str]) -> None:
        """Ask for the requests to be cancelled. Terminates nothing by itself; repeating it is harmless."""
        with translated("ec2:CancelSpotInstanceRequests"):
            self._client.cancel_spot_instance_requests(SpotInstanceRequestIds=list(ids))

    def terminate(self, ids: Sequence[str]) -> None:
        """Terminate instances of one zone. One bad id fails the call: describe what really happened."""
        with translated("ec2:TerminateInstances"):
            self._client.terminate_instances(InstanceIds=list(ids))

    def stop(self, ids: Sequence[str]) -> None:
        """Stop instances of one zone; their EBS volumes stay. One bad id fails the call: describe what happened."""
        with translated("ec2:StopInstances"):
            self._client.stop_instances(InstanceIds=list(ids))

    def _stop_protection(self, instance_id: str) -> bool:
        with translated("ec2:DescribeInstanceAttribute"):
            answer = self._client.describe_instance_attribute(InstanceId=instance_id, Attribute="disableApiStop")
        return bool(answer["DisableApiStop"]["Value"])


def _afresh(run_id: RunId, members: Iterable[Member], requests: Mapping[str, SpotRequest]) -> Run:
    found = [replace(m, spot_request=requests.get(m.spot_request_id or "")) for m in members]
    parent = next((m.parent for m in found if m.parent is not None), None)
    return Run(id=run_id, members=tuple(sorted(found, key=lambda m: m.id)), parent=parent, fresh=True)


def _member(raw: Mapping[str, Any]) -> Member:
    tags = {tag["Key"]: tag["Value"] for tag in raw.get("Tags", [])}
    state = raw["State"]["Name"]
    ended_at, end_reason = _ended(state, raw.get("StateTransitionReason", ""))
    return Member(
        id=raw["InstanceId"],
        service=Service.EC2,
        state=state,
        capacity=((raw["InstanceType"], 1),),
        zone=raw.get("Placement", {}).get("AvailabilityZone", ""),
        tags=tags,
        clock=_clock(raw),
        purchase=_purchase(raw),
        spot_request_id=raw.get("SpotInstanceRequestId"),
        priced_apart=_priced_apart(raw),
        parent=controllers.parent(tags, raw.get("Operator", {})),
        ended_at=ended_at,
        end_reason=end_reason,
    )


def _clock(raw: Mapping[str, Any]) -> Clock:
    """LaunchTime is the last start; the primary interface's attach time is the first launch."""
    launch = raw.get("LaunchTime")
    primary = next(
        (
            interface["Attachment"].get("AttachTime")
            for interface in raw.get("NetworkInterfaces", [])
            if interface.get("Attachment", {}).get("DeviceIndex") == 0
        ),
        None,
    )
    # A pending instance already has its new LaunchTime: its clock must never be read as its predecessor's.
    alive = raw["State"]["Name"] in _ALIVE
    return Clock(
        running_since=launch.astimezone(UTC) if launch is not None and alive else None,
        running_evidence="LaunchTime",
        exists_since=primary.astimezone(UTC) if primary is not None else None,
        exists_evidence="attach time of the primary network interface",
    )


def _purchase(raw: Mapping[str, Any]) -> PurchaseOption:
    """What runs in a capacity reservation is prepaid, as a Capacity Block is: a selector must name that to pick it."""
    if raw.get("InstanceLifecycle") == "spot":
        return PurchaseOption.SPOT
    if raw.get("InstanceLifecycle") == "capacity-block" or raw.get("CapacityReservationId"):
        return PurchaseOption.CAPACITY_BLOCK
    return PurchaseOption.ON_DEMAND


def _priced_apart(raw: Mapping[str, Any]) -> str:
    """What of it the list price of shared Linux does not cover; empty where that price is its own.

    `PlatformDetails` names Windows, SQL Server, Red Hat, SUSE; without it `Platform` names Windows alone.
    """
    details = raw.get("PlatformDetails") or ("Windows" if raw.get("Platform", "").lower() == "windows" else "")
    tenancy = raw.get("Placement", {}).get("Tenancy") or "default"
    parts = [details] if details and not details.startswith(_LINUX) else []
    return ", ".join([*parts, *([f"{tenancy} tenancy"] if tenancy != "default" else [])])


def _ended(state: str, reason: str) -> tuple[datetime | None, str]:
    """`User initiated (2026-11-22 09:10:00 GMT)`: the only trace of when an instance ended."""
    if state in _ALIVE:
        return None, ""
    _, _, tail = reason.partition("(")
    stamp = tail.partition(" GMT)")[0]
    try:
        return datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC), reason
    except ValueError:
        return None, reason


def _spot_request(raw: Mapping[str, Any]) -> SpotRequest:
    status = raw.get("Status", {})
    return SpotRequest(
        id=raw["SpotInstanceRequestId"],
        type=raw.get("Type", ""),
        state=raw.get("State", ""),
        status=": ".join(part for part in (status.get("Code", ""), status.get("Message", "")) if part),
        instance_id=raw.get("InstanceId"),
        tags={tag["Key"]: tag["Value"] for tag in raw.get("Tags", [])},
    )
