"""The stack's functions on the stage: each with its own environment, wiring and boto3 session, as in Lambda."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import boto3
import botocore.session
from botocore.loaders import create_loader

from costwatch import names, topology
from costwatch.core.policy import Policy
from costwatch.door_wiring import DoorWiring
from costwatch.settings import ClicksSettings, DoorSettings, HeartbeatsSettings, PricesSettings, RetrainSettings
from costwatch.wiring import ClicksWiring, PricesWiring, RetrainWiring, TableWiring, Wiring
from demo import recorder

_OWN_PREFIXES: Final = ("AWS_", "COSTWATCH_", "POWERTOOLS_")
_API_DESCRIPTIONS: Final = create_loader()


@dataclass(frozen=True)
class LambdaContext:
    """What the functions use of Lambda's context object."""

    invoked_function_arn: str
    aws_request_id: str
    timeout: timedelta
    started: float = field(default_factory=time.monotonic)

    def get_remaining_time_in_millis(self) -> int:
        """Until the timeout, in real time."""
        return max(0, int((self.timeout.total_seconds() - (time.monotonic() - self.started)) * 1000))


@dataclass
class Deployed:
    """One function: its environment, its wiring, and how it is called."""

    spec: topology.Function
    environment: dict[str, str]
    policy: Policy
    wiring: TableWiring | DoorWiring
    handle: Callable[[object, Any, Any], dict[str, Any]]
    dead_letters_url: str


def deployed(
    spec: topology.Function,
    *,
    aws: Mapping[str, str],
    values: Mapping[str, str],
    policy_document: Mapping[str, Any],
    policy_file: Path,
    clock: Callable[[], datetime],
    lambdas: object,
    dead_letters_url: str,
) -> Deployed:
    """A function as a deploy would leave it. `aws`: how it reaches AWS. `values`: what the stack has to tell.

    `lambdas` stands in for boto3's client of Lambda, since moto's wants Docker.
    """
    environment = {
        **aws,
        **spec.settings.of(**values).to_env(),
        "POWERTOOLS_SERVICE_NAME": spec.service,
        "POWERTOOLS_METRICS_NAMESPACE": names.METRIC_NAMESPACE,
    }
    # As wiring.from_environment does, but with this policy and this clock.
    told = spec.settings.from_env(environment)
    wiring: TableWiring | DoorWiring
    if isinstance(told, DoorSettings):
        wiring = DoorWiring(told, environment, clock=clock)
    elif isinstance(told, ClicksSettings):
        wiring = _ClicksWiring(told, policy_file, spec.service, clock=clock, lambdas=lambdas)
    elif isinstance(told, HeartbeatsSettings):
        wiring = _TableWiring(told, policy_file, spec.service, clock=clock)
    elif isinstance(told, RetrainSettings):
        wiring = _RetrainWiring(told, policy_file, spec.service, clock=clock)
    elif isinstance(told, PricesSettings):
        wiring = _PricesWiring(told, policy_file, spec.service, clock=clock)
    else:
        wiring = _Wiring(told, policy_file, spec.service, clock=clock)
    module = importlib.import_module(spec.handler.rpartition(".")[0])
    policy = Policy.from_document(policy_document)
    return Deployed(spec, environment, policy, wiring, module.handle, dead_letters_url)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """os.environ as a function sees it: nothing of the caller's AWS, no proxy, and everything put back afterwards."""
    foreign = [
        name
        for name in os.environ
        if (name.startswith(_OWN_PREFIXES) or name.lower().endswith("_proxy")) and name != recorder.ENV_FILE
    ]
    before = {name: os.environ.pop(name) for name in foreign}
    before |= {name: os.environ[name] for name in variables if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update(before)


def _session() -> boto3.session.Session:
    """Sessions share the API descriptions they read, 25 MB of JSON, and nothing else."""
    core = botocore.session.Session()
    core.register_component("data_loader", _API_DESCRIPTIONS)
    return boto3.session.Session(botocore_session=core)


class _Wiring(Wiring):
    """The real wiring."""

    @cached_property
    def session(self) -> boto3.session.Session:
        return _session()


class _TableWiring(TableWiring):
    """The real wiring of a function that knows the ledger's table alone."""

    @cached_property
    def session(self) -> boto3.session.Session:
        return _session()


class _RetrainWiring(RetrainWiring):
    """The real wiring of the function that advises whether to train."""

    @cached_property
    def session(self) -> boto3.session.Session:
        return _session()


class _PricesWiring(PricesWiring):
    """The real wiring of the function that reads prices."""

    @cached_property
    def session(self) -> boto3.session.Session:
        return _session()


@dataclass(frozen=True)
class _ClicksWiring(ClicksWiring):
    """The real wiring of the function behind the door, but for what it invokes."""

    lambdas: object = None

    @cached_property
    def session(self) -> boto3.session.Session:
        return _session()

    def client(self, service: Any, region: str | None = None, **options: Any) -> Any:
        return self.lambdas if service == "lambda" else super().client(service, region, **options)
