"""A boto3 session in memory for scans: recorded pages of EC2, SageMaker's lists, and regions that refuse or hang."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final

from botocore.exceptions import UnknownRegionError
from click.testing import CliRunner, Result

from costwatch.cli.main import main
from costwatch.cli.session import Tools
from tests.support.command_line import FakeSts, client_error

NOW: Final = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
_PAGE = 1000


def hours_ago(hours: float) -> datetime:
    """Aware UTC."""
    return NOW - timedelta(hours=hours)


def instance(number: int, kind: str, zone: str, hours: float, *, spot: bool = False, **tags: str) -> dict[str, Any]:
    """A running instance as DescribeInstances has it. `_` in a tag key stands for `:`."""
    launched = hours_ago(hours)
    return {
        "InstanceId": f"i-{number:017x}",
        "InstanceType": kind,
        "State": {"Name": "running"},
        "LaunchTime": launched,
        "Placement": {"AvailabilityZone": zone},
        "NetworkInterfaces": [{"Attachment": {"DeviceIndex": 0, "AttachTime": launched}}],
        "Tags": [{"Key": key.replace("_", ":"), "Value": value} for key, value in tags.items()],
        **({"InstanceLifecycle": "spot"} if spot else {}),
    }


@dataclass
class FakePaginator:
    pages: Callable[[], Iterator[dict[str, Any]]]

    def paginate(self, **_arguments: Any) -> Iterator[dict[str, Any]]:
        return self.pages()


class FakeMeta:
    """Of a client whose answers come without XML."""

    @property
    def events(self) -> FakeMeta:
        return self

    def register(self, *_arguments: Any, **_named: Any) -> None:
        """A hook into the reading of answers."""


@dataclass
class FakeEc2:
    """`error`: raised by every list. `wait`: called before each answer."""

    instances: list[dict[str, Any]] = field(default_factory=list)
    regions: Mapping[str, str] = field(default_factory=dict)
    error: Exception | None = None
    regions_error: Exception | None = None
    protected: frozenset[str] = frozenset()
    protection_error: Exception | None = None
    protection_asked: list[str] = field(default_factory=list)
    wait: Callable[[], object] = lambda: None

    @property
    def meta(self) -> FakeMeta:
        return FakeMeta()

    def describe_regions(self, *, AllRegions: bool) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        assert AllRegions
        if self.regions_error is not None:
            raise self.regions_error
        return {"Regions": [{"RegionName": name, "OptInStatus": status} for name, status in self.regions.items()]}

    def get_paginator(self, name: str) -> FakePaginator:
        assert name == "describe_instances"
        return FakePaginator(self._pages)

    def _pages(self) -> Iterator[dict[str, Any]]:
        self.wait()
        if self.error is not None:
            raise self.error
        for start in range(0, len(self.instances), _PAGE):
            yield {"Reservations": [{"Instances": [each]} for each in self.instances[start : start + _PAGE]]}

    def describe_instance_attribute(self, *, InstanceId: str, Attribute: str) -> dict[str, Any]:  # noqa: N803
        assert Attribute == "disableApiTermination"
        self.wait()
        self.protection_asked.append(InstanceId)
        if self.protection_error is not None:
            raise self.protection_error
        return {"DisableApiTermination": {"Value": InstanceId in self.protected}}


@dataclass
class FakeSageMaker:
    """`lists`: summaries by boto3's method; `described`: answers by method and name. `errors`: by method."""

    lists: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    described: Mapping[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    errors: Mapping[str, Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    _KEYS: ClassVar = {
        "list_training_jobs": "TrainingJobSummaries",
        "list_processing_jobs": "ProcessingJobSummaries",
        "list_hyper_parameter_tuning_jobs": "HyperParameterTuningJobSummaries",
        "list_auto_ml_jobs": "AutoMLJobSummaries",
        "list_notebook_instances": "NotebookInstances",
        "list_endpoints": "Endpoints",
        "list_tags": "Tags",
    }

    def get_paginator(self, name: str) -> FakePaginator:
        def pages() -> Iterator[dict[str, Any]]:
            self.asked.append(name)
            if error := self.errors.get(name):
                raise error
            yield {self._KEYS[name]: list(self.lists.get(name, []))}

        return FakePaginator(pages)

    def __getattr__(self, method: str) -> Callable[..., dict[str, Any]]:
        if not method.startswith("describe_"):
            raise AttributeError(method)

        def describe(**arguments: str) -> dict[str, Any]:
            self.asked.append(method)
            if error := self.errors.get(method):
                raise error
            [name] = arguments.values()
            return self.described[method, name]

        return describe


@dataclass
class FakeBoto:
    """As much of boto3's session as the command line uses."""

    ec2: Mapping[str, FakeEc2]
    sagemaker: Mapping[str, FakeSageMaker] = field(default_factory=dict)
    sts: FakeSts = field(default_factory=lambda: FakeSts("arn:aws:sts::111122223333:assumed-role/Newcomer/ann"))
    region_name: str | None = None

    @property
    def events(self) -> FakeBoto:
        return self

    def register(self, *_arguments: Any, **_named: Any) -> None:
        """A hook that guards real clients."""

    def get_partition_for_region(self, region: str) -> str:
        if region.count("-") < 2 or region.startswith("atlantis"):
            raise UnknownRegionError(region_name=region, error_msg="no partition")
        return "aws"

    def client(self, service: str, *, region_name: str, config: Any) -> Any:
        assert config.read_timeout <= 20
        if service == "sts":
            return self.sts
        if service == "ec2":
            return self.ec2.get(region_name) or FakeEc2()
        return self.sagemaker.get(region_name) or FakeSageMaker()

    def costwatch(self, *arguments: str, columns: int = 100, environ: Mapping[str, str] | None = None) -> Result:
        """Run one command as somebody without any configuration file."""
        boto: Any = self
        tools = Tools(environ=environ or {"AWS_REGION": "us-east-1"}, clock=lambda: NOW, boto=boto)
        env = {"COLUMNS": str(columns), "NO_COLOR": "1"}
        return CliRunner().invoke(main, list(arguments), obj=tools, env=env, prog_name="costwatch")


def denied(operation: str) -> Exception:
    """What EC2 says to whom it lets do nothing."""
    return client_error("UnauthorizedOperation", operation)
