"""One job, notebook or endpoint of SageMaker, described: its machines, its age, its tags, its parent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from costwatch.adapters.aws_errors import translated
from costwatch.adapters.sagemaker import SageMaker, tags_or_none
from costwatch.core.model import Member
from costwatch.core.policy import Service
from costwatch.scan.inventory import Resource, ResourceKind


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of a list. `raw` is the list's own summary."""

    kind: str
    name: str
    arn: str
    state: str
    created: datetime | None
    raw: Mapping[str, Any]


class Describer:
    """One account and region."""

    def __init__(self, client: Any, *, region: str) -> None:
        self._client = client
        self._jobs = SageMaker(client, region=region)

    def one(self, listed: Listed) -> Member | Resource | None:
        """As it is now; None when it has ended. Raises AwsError, KeyError where an answer lacks what it must have."""
        match listed.kind:
            case "notebook":
                capacity = ((listed.raw["InstanceType"], 1),) if "InstanceType" in listed.raw else None
                return self._resource(listed, ResourceKind.NOTEBOOK, capacity)
            case "endpoint":
                return self._endpoint(listed)
            case _:
                member = self._jobs.job(listed.name, Service(listed.kind))
                return member if member is not None and member.alive else None

    def _endpoint(self, listed: Listed) -> Resource:
        """Counts as they are now come from the endpoint, types from its configuration."""
        with translated("sagemaker:DescribeEndpoint"):
            raw = self._client.describe_endpoint(EndpointName=listed.name)
        with translated("sagemaker:DescribeEndpointConfig"):
            config = self._client.describe_endpoint_config(EndpointConfigName=raw["EndpointConfigName"])
        types = {
            variant["VariantName"]: variant.get("InstanceType")
            for key in ("ProductionVariants", "ShadowProductionVariants")
            for variant in config.get(key, [])
        }
        totals: dict[str, int] = {}
        known, serverless = True, False
        for key in ("ProductionVariants", "ShadowProductionVariants"):
            for variant in raw.get(key, []):
                if served := variant.get("CurrentServerlessConfig"):
                    serverless = True
                    known = known and not served.get("ProvisionedConcurrency")
                    continue
                pools = variant.get("InstancePools") or [
                    {"InstanceType": types.get(variant["VariantName"]), **_count(variant)}
                ]
                for pool in pools:
                    instance_type, count = pool.get("InstanceType"), pool.get("CurrentInstanceCount")
                    if instance_type is None or count is None:
                        known = False
                    elif count:
                        totals[instance_type] = totals.get(instance_type, 0) + int(count)
        note = "serverless: billed by use, which is not counted here" if serverless else ""
        capacity = tuple(sorted(totals.items())) if known else None
        return self._resource(listed, ResourceKind.ENDPOINT, capacity, note=note)

    def _resource(
        self,
        listed: Listed,
        kind: ResourceKind,
        capacity: tuple[tuple[str, int], ...] | None,
        *,
        note: str = "",
    ) -> Resource:
        return Resource(
            kind=kind,
            name=listed.name,
            state=listed.state,
            capacity=capacity,
            tags=tags_or_none(self._client, listed.arn),
            since=listed.created,
            evidence="CreationTime",
            note=note,
        )


def _count(variant: Mapping[str, Any]) -> dict[str, Any]:
    return {key: variant[key] for key in ("CurrentInstanceCount",) if key in variant}
