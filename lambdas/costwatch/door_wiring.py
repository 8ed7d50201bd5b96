"""What the door works with. Apart from `wiring`, which imports boto3: the door has three seconds, and often starts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from costwatch.adapters.click_bus import ClickBus
from costwatch.adapters.signed_calls import SignedCalls
from costwatch.adapters.signing_secret import SigningSecret
from costwatch.settings import DoorSettings


def utc_now() -> datetime:
    """The door's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class DoorWiring:
    """`env` is the function's environment: region, credentials, endpoint. `monotonic` counts seconds."""

    settings: DoorSettings
    env: Mapping[str, str]
    clock: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic

    @cached_property
    def secret(self) -> SigningSecret:
        return SigningSecret(self._read_secret, monotonic=self.monotonic)

    @cached_property
    def clicks(self) -> ClickBus:
        return ClickBus(self._calls)

    @cached_property
    def _calls(self) -> SignedCalls:
        return SignedCalls(self.env, monotonic=self.monotonic)

    def _read_secret(self, seconds: float) -> str:
        name = self.settings.slack_signing_secret_parameter
        asked = {"Name": name, "WithDecryption": True}
        answer = self._calls.call("ssm", "AmazonSSM.GetParameter", asked, seconds=seconds)
        return str(answer["Parameter"]["Value"])


def from_environment() -> DoorWiring:
    """Of a deployed function."""
    return DoorWiring(settings=DoorSettings.from_env(os.environ), env=dict(os.environ))
