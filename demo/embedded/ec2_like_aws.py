"""EC2 as AWS behaves where it decides about life and death.

Termination by zone, spot requests that relaunch, server-side filters with wildcards, times from the world's clock.
What AWS documents is told beside the code that does it; what nobody documented says so.
"""

from __future__ import annotations

import copy
import re
from datetime import datetime
from functools import lru_cache
from typing import Any

import moto.ec2.models.instances as moto_instances
import moto.ec2.models.spot_requests as moto_spot
import moto.ec2.utils as moto_utils
from moto.ec2.exceptions import (
    EC2ClientError,
    InvalidInstanceIdError,
    InvalidParameterCombination,
    OperationNotPermitted4,
)
from moto.ec2.models.amis import AmiBackend
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.models.spot_requests import SpotInstanceRequest, SpotRequestBackend
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import random_spot_request_id

from demo.embedded.patching import Patch
from demo.embedded.world import current, naive_now

_moto_terminate = Instance.terminate
_moto_stop = Instance.stop
_moto_start = Instance.start
_moto_run_response = InstanceResponse.run_instances
_moto_describe_requests = SpotRequestBackend.describe_spot_instance_requests
_moto_passes_filters = moto_utils.passes_filter_dict

_INSTANCE_ID = re.compile(r"i-[0-9a-f]{8}([0-9a-f]{9})?")


# --- spot requests -----------------------------------------------------------------------------------


class SpotRequest(SpotInstanceRequest):
    """A spot request that lives on after its instance.

    A terminated instance of a persistent request reopens it and is launched anew; a one-time request closes; a
    cancelled one launches nothing again, and cancelling alone terminates nothing.

    Tags: the request has its own, which its instances do not inherit. A relaunched instance gets the tags of the launch
    (RunInstances' TagSpecifications of type `instance`) and none that somebody put on its predecessor afterwards. AWS
    documents the first half; the second is unverified.
    """

    def __init__(self, *args: Any, adopted: Any = None, **kwargs: Any) -> None:
        self._adopted = adopted
        self.instance: Any
        self.requested_at = self.updated_at = naive_now()
        super().__init__(*args, **kwargs)

    @property
    def create_time(self) -> datetime:  # type: ignore[override]  # moto answers a constant text
        """Naive UTC, as moto keeps times."""
        return self.requested_at

    @property
    def instance_id(self) -> str | None:  # type: ignore[override]  # an open request has no instance
        """The instance that fulfils the request at present."""
        return self.instance.id if self.instance is not None else None

    @property
    def status(self) -> dict[str, Any]:
        """Code and message as in AWS's table of spot request status codes."""
        return {"Code": self._status_code, "Message": self.status_message, "UpdateTime": self.updated_at}

    def _enter(self, state: str, code: str) -> None:
        self.state = state
        self._status_code = code
        self.status_message = code.replace("-", " ")
        self.updated_at = naive_now()

    def launch_instance(self) -> Any:
        """Launch from the launch specification, in its zone. moto forgets the zone and copies no lifecycle."""
        if self._adopted is not None:
            instance, self._adopted = self._adopted, None
        else:
            specification = self.launch_specification
            reservation = self.ec2_backend.run_instances(
                image_id=specification.image_id,
                count=1,
                user_data=self.user_data,
                security_group_names=[],
                instance_type=specification.instance_type,
                is_instance_type_default=True,  # skips moto's table of types per region, which is older than the types
                placement=specification.availability_zone,
                region_name=self.ec2_backend.region_name,
                subnet_id=specification.subnet_id,
                key_name=specification.key_name,
                security_group_ids=list(specification.groups),
                spot_fleet_id=self.spot_fleet_id,
                tags=self.all_tags,
            )
            instance = reservation.instances[0]
        instance.lifecycle = "spot"
        instance.spot_instance_request_id = self.id
        return instance

    def fulfil(self) -> Any:
        """Launch an instance for an open request and return it. Raises ValueError for a request in any other state."""
        if self.state != "open":
            raise ValueError(f"{self.id} is {self.state}, not open")
        self.instance = self.launch_instance()
        self._enter("active", "fulfilled")
        return self.instance

    def cancel(self) -> None:
        """Close the request; a running instance runs on."""
        if self.state in ("cancelled", "closed"):
            return
        running = self.instance is not None and self.instance.state_code == 16
        self._enter("cancelled", "request-canceled-and-instance-running" if running else "canceled-before-fulfillment")

    def instance_terminated(self) -> None:
        """What becomes of the request when its instance is gone."""
        if self.state != "active":
            self.updated_at = naive_now()
            return
        if self.type != "persistent" or self.spot_fleet_id:
            self._enter("closed", "instance-terminated-by-user")
            return
        self.instance = None
        self._enter("open", "pending-evaluation")
        if current().spot_relaunch == "at_once":
            self.fulfil()


def adopt(
    backend: Any,
    instance: Any,
    *,
    spot_type: str,
    request_tags: dict[str, str],
    instance_tags: dict[str, str],
    price: str = "",
) -> SpotRequest:
    """The request behind an instance that was launched as spot with RunInstances, which moto does not make."""
    request = SpotRequest(
        backend,
        random_spot_request_id(),
        price,
        instance.image_id,
        spot_type,
        None,
        None,
        None,
        None,
        instance.key_name,
        [group.name for group in instance.security_groups],
        instance.user_data,
        instance.instance_type,
        instance.placement.zone,
        None,
        None,
        False,
        instance._subnet_id,
        {"spot-instances-request": request_tags, "instance": instance_tags},
        None,
        "terminate",
        adopted=instance,
    )
    backend.spot_instance_requests[request.id] = request
    return request


def request_of(instance: Any) -> SpotRequest | None:
    """The spot request an instance was launched by."""
    request_id = getattr(instance, "spot_instance_request_id", None)
    return instance.ec2_backend.spot_instance_requests.get(request_id) if request_id else None


def _run_response(response: Any) -> Any:
    answer: Any = _moto_run_response(response)
    options = response._get_param("InstanceMarketOptions", {})
    market = options.get("MarketType")
    tags = response._parse_tag_specification()
    for instance in answer.result.instances:
        if market == "capacity-block":
            instance.lifecycle = "capacity-block"  # moto calls every market spot
        elif market == "spot":
            spot = options.get("SpotOptions", {})
            adopt(
                instance.ec2_backend,
                instance,
                spot_type=spot.get("SpotInstanceType", "one-time"),
                request_tags=tags.get("spot-instances-request", {}),
                instance_tags=tags.get("instance", {}),
                price=spot.get("MaxPrice", ""),
            )
    return answer


def _request_unknown(request_id: str) -> EC2ClientError:
    return EC2ClientError(
        "InvalidSpotInstanceRequestID.NotFound", f"The spot instance request ID '{request_id}' does not exist"
    )


def _describe_requests(backend: Any, filters: Any = None, spot_instance_ids: list[str] | None = None) -> Any:
    for request_id in spot_instance_ids or ():
        if request_id not in backend.spot_instance_requests:
            raise _request_unknown(request_id)
    return _moto_describe_requests(backend, filters, spot_instance_ids)


def _cancel_requests(backend: Any, request_ids: list[str]) -> list[Any]:
    for request_id in request_ids:
        if request_id not in backend.spot_instance_requests:
            raise _request_unknown(request_id)
    requests = [backend.spot_instance_requests[request_id] for request_id in request_ids]
    for request in requests:
        request.cancel()
    return requests


# --- the end of an instance ----------------------------------------------------------------------------


def _user_initiated() -> str:
    return f"User initiated ({naive_now():%Y-%m-%d %H:%M:%S} GMT)"


def _terminate_one(instance: Any) -> Any:
    if instance.state_code == 48:  # the call is idempotent, and a request reopens once per instance
        return copy.copy(instance._state)
    previous = _moto_terminate(instance)
    instance._reason = _user_initiated()
    request = request_of(instance)
    if request is not None:
        request.instance_terminated()
    return previous


def _stop_one(instance: Any) -> Any:
    request = request_of(instance)
    if request is not None and request.type != "persistent":
        raise EC2ClientError(
            "UnsupportedOperation",
            f"You can't stop the Spot Instance '{instance.id}' because it is associated with a one-time Spot Instance "
            "request. You can only stop Spot Instances associated with persistent Spot Instance requests.",
        )
    previous = _moto_stop(instance)
    instance._reason = _user_initiated()
    return previous


def _start_one(instance: Any) -> Any:
    """LaunchTime is the *last* start; the network interface keeps the time of the first."""
    if instance.state_code == 80:
        instance.launch_time = naive_now()
    return _moto_start(instance)


def _terminate(backend: Any, instance_ids: list[str]) -> list[tuple[Any, Any]]:
    """AWS's guide: those in the zone of a protected one are spared, those in other zones are gone, and the call fails.

    It also says that one incorrect id spares all. So an id that was never an instance spares everybody, and one that
    AWS has forgotten (`Fleet.forget`) spares its own zone, the worse of the two for a caller that trusts the error.
    """
    if not instance_ids:
        raise InvalidParameterCombination("No instances specified")
    for instance_id in instance_ids:
        if not _INSTANCE_ID.fullmatch(instance_id):
            raise EC2ClientError("InvalidInstanceID.Malformed", f'Invalid id: "{instance_id}"')
    forgotten_zones = current().forgotten_instance_zones
    known = {each.id: each for reservation in backend.all_reservations() for each in reservation.instances}
    unknown = [instance_id for instance_id in instance_ids if instance_id not in known]
    if any(instance_id not in forgotten_zones for instance_id in unknown):
        raise InvalidInstanceIdError(unknown)
    instances = [known[instance_id] for instance_id in dict.fromkeys(instance_ids) if instance_id in known]
    protected = [each for each in instances if each.disable_api_termination and each.state_code != 48]
    spared_zones = {each.placement.zone for each in protected} | {forgotten_zones[each] for each in unknown}
    ended = [(each, each.terminate()) for each in instances if each.placement.zone not in spared_zones]
    if unknown:
        raise InvalidInstanceIdError(unknown)
    if protected:
        raise OperationNotPermitted4(protected[0].id)
    return ended


# --- filters -------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    """`*` any run of characters, `?` one, a backslash before either means the character itself."""
    parts = re.findall(r"\\[*?\\]|.", text, flags=re.DOTALL)
    translated = {"*": ".*", "?": "."}
    return re.compile("".join(translated.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL)


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def _operator(instance: Any) -> dict[str, Any]:
    """The AWS service that manages it; empty for what nobody manages."""
    found: dict[str, Any] = getattr(instance, "operator", None) or {}
    return found


# moto compares these for equality only, or does not know them. Each gives the instance's own texts; none means no
# match.
_WILDCARD_FILTERS: dict[str, Any] = {
    "availability-zone": lambda each: [each.placement.zone],
    "instance-lifecycle": lambda each: [each.lifecycle] if each.lifecycle else [],
    "instance-state-code": lambda each: [str(each.state_code)],
    "instance-state-name": lambda each: [each.state],
    "instance-type": lambda each: [each.instance_type],
    "launch-time": lambda each: [_iso(each.launch_time)],
    "network-interface.attachment.attach-time": lambda each: [_iso(nic.attach_time) for nic in each.nics.values()],
    "operator.managed": lambda each: [str(_operator(each).get("Managed", False)).lower()],
    "operator.principal": lambda each: [_operator(each)["Principal"]] if _operator(each) else [],
    "spot-instance-request-id": lambda each: [getattr(each, "spot_instance_request_id", None) or ""],
    "tag-key": lambda each: [tag["key"] for tag in each.get_tags()],
}


def _passes_filters(instance: Any, filters: dict[str, Any]) -> bool:
    """Filters are joined by and, the values of one by or."""
    for name, values in filters.items():
        texts = _WILDCARD_FILTERS.get(name)
        if texts is None:
            if not _moto_passes_filters(instance, {name: values}):
                return False
        elif not any(_pattern(value).fullmatch(text) for value in values for text in texts(instance)):
            return False
    return True


def _tags_of(resource: Any) -> list[dict[str, str]]:
    """A resource's own tags. moto scans those of the whole region each time, which is quadratic in the fleet."""
    tags = resource.ec2_backend.tags.get(resource.id, {}) if resource.id else {}
    return [{"resource_id": resource.id, "key": key, "value": value} for key, value in list(tags.items())]


def _no_images(_backend: Any) -> None:
    """moto loads 1,300 images into every region it touches, a third of a second each time; nothing here reads them."""


def patches() -> list[Patch]:
    """What `install` applies."""
    return [
        Patch(moto_instances, "utcnow", naive_now),
        Patch(moto_spot, "SpotInstanceRequest", SpotRequest),
        Patch(moto_utils, "passes_filter_dict", _passes_filters),
        Patch(AmiBackend, "_load_amis", _no_images),
        Patch(TaggedEC2Resource, "get_tags", _tags_of),
        Patch(Instance, "terminate", _terminate_one),
        Patch(Instance, "stop", _stop_one),
        Patch(Instance, "start", _start_one),
        Patch(InstanceBackend, "terminate_instances", _terminate),
        Patch(InstanceResponse, "run_instances", _run_response),
        Patch(SpotRequestBackend, "describe_spot_instance_requests", _describe_requests),
        Patch(SpotRequestBackend, "cancel_spot_instance_requests", _cancel_requests),
    ]
