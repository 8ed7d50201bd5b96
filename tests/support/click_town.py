"""Clicks as deployed: the function behind the door over an embedded AWS and Slack, next to the gate and the sweep."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from costwatch import names
from costwatch.core.approvals import Approval, Post
from costwatch.core.record import RunRecord
from costwatch.handlers import clicks, deadman, res
from costwatch.settings import ClicksSettings, ResSettings
from costwatch.topology import CLICKS, DEADMAN, RES
from costwatch.wiring import ClicksWiring
from demo.embedded import EmbeddedAws
from demo.slack_endpoint import DEFAULT_TOKEN, SlackEndpoint
from tests.support import policies
from tests.support.fakes import TestClock
from tests.support.gate_town import REGION, GateTown
from tests.support.pipelines import definition, start
from tests.support.slack_posts import APP, SECRET, WORKSPACE, form, headers, payload

OWNER: Final = "maria@example.com"
OWNER_USER, OMAR, STRANGER = "U0MARIA001", "U0OMAR0001", "U0STRANGE1"
PEOPLE: Final = {OWNER: OWNER_USER, "omar@example.com": OMAR, "sam@example.com": STRANGER}
TAGS: Final = {"Purpose": "training", "owner": OWNER}


class ClickTown(GateTown):
    """An account whose cards people click. `changes` as in GateTown; Omar and whom they name are approvers."""

    slack: Mapping[str, Any] = {
        "platform_channel": "#ml-platform",
        "team_channels": {},
        "warn_owner_by": "dm",
        "app_id": APP,
        "workspace": WORKSPACE,
    }
    selectors = (policies.selector(),)

    def __init__(
        self, aws: EmbeddedAws, slack: SlackEndpoint, clock: TestClock, directory: Path, **changes: Any
    ) -> None:
        self.posted = slack
        super().__init__(aws, clock, directory, **{"tiers": [{"above_usd": "100", "approvers": [OMAR]}], **changes})
        for name, value in (
            (names.DEFAULT_SLACK_TOKEN_PARAMETER, DEFAULT_TOKEN),
            (names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER, SECRET),
        ):
            self.keep(name, value)
        self.clicks_wired = self.cold()
        self._numbers = itertools.count(1)

    def keep(self, name: str, value: str) -> None:
        self.aws.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)

    def _told(self) -> dict[str, str]:
        slack = {
            "slack_token_parameter": names.DEFAULT_SLACK_TOKEN_PARAMETER,
            "slack_api_url": self.posted.base_url,
        }
        return {**super()._told(), **slack}

    @property
    def policy_file(self) -> Path:
        return self._policy_file

    def settings(self) -> ClicksSettings:
        return ClicksSettings(
            **self._told(),
            deadman_function=f"costwatch-{DEADMAN.name}",
            res_function=f"costwatch-{RES.name}" if self.res is not None else "",
            slack_signing_secret_parameter=names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER,
        )

    def cold(self) -> ClicksWiring:
        """What a cold start builds. Lambda's Invoke goes to the function itself here, whatever it raises."""
        wired = ClicksWiring(self.settings(), self._policy_file, CLICKS.service, clock=self.clock)
        wired.__dict__["session"] = self.aws.session()
        wired._deadman._client.meta.events.register("before-call.lambda.Invoke", self._invoke_deadman)
        if wired._res is not None:
            wired._res._client.meta.events.register("before-call.lambda.Invoke", self._invoke_res)
        return wired

    def _invoke_deadman(self, params: Mapping[str, Any], **_: Any) -> Any:
        return self._invoked(DEADMAN.name, deadman.handle, self.sweep_wired, params)

    def _invoke_res(self, params: Mapping[str, Any], **_: Any) -> Any:
        return self._invoked(RES.name, res.handle, self._wiring(ResSettings(**self._told()), RES.service), params)

    def _invoked(self, name: str, handle: Any, wired: Any, params: Mapping[str, Any]) -> Any:
        answer: dict[str, Any] = {}
        try:
            with self._acting(name, wired.settings):
                body = handle(json.loads(params["body"]), self.context(name), wired)
        except Exception as raised:  # noqa: BLE001 - as Lambda does
            answer["FunctionError"] = "Unhandled"
            body = {"errorType": type(raised).__name__, "errorMessage": str(raised)}
        return SimpleNamespace(status_code=200), {**answer, "Payload": io.BytesIO(json.dumps(body).encode())}

    # --- what there is ----------------------------------------------------------------------------------

    def ask(self) -> tuple[Approval, str]:
        """A question that stands in Slack, and the execution that waits for its answer."""
        execution = start(self.aws, definition(self.queue_url))
        self.poll()
        self.tend()
        (found,) = self.questions()
        return found, execution

    def warn(self, age: timedelta = timedelta(hours=11, minutes=30)) -> str:
        """A run of Maria's that was warned about; the instance's id."""
        instance = self.aws.fleet.instance(tags=TAGS, launched_at=self.clock() - age)
        self.sweep()
        self.clock.forward(minutes=2)
        return str(instance)

    def runs(self) -> list[RunRecord]:
        return list(self.clicks_wired.ledger.open_records(self.aws.account_id, REGION).values())

    def card_with(self, action: str) -> tuple[Post, str]:
        """Where the newest card with such a button stands, and what the button carries."""
        for message in reversed(self.posted.messages):
            for element in (each for block in message.blocks for each in block.get("elements", [])):
                if element.get("action_id") == action:
                    return Post(message.channel_id, message.ts), str(element["value"])
        raise AssertionError(f"no card has the button {action}")

    # --- what people do -----------------------------------------------------------------------------------

    def pressed(
        self,
        action: str,
        *,
        by: str = OMAR,
        at: tuple[Post, str] | None = None,
        action_ts: str = "",
        reason: str = "",
        **changes: Any,
    ) -> bytes:
        """The body that Slack posts when somebody presses the newest button of that action id."""
        post, value = at or self.card_with(action)
        shown = next((m for m in self.posted.messages if (m.channel_id, m.ts) == (post.channel, post.ts)), None)
        ts = action_ts or f"{int(self.clock().timestamp())}.{next(self._numbers):06d}"
        reasons = {"reason": {"reason": {"type": "plain_text_input", "value": reason or None}}}
        return form(
            payload(
                user={"id": by, "username": by.lower()},
                container={"type": "message", "channel_id": post.channel, "message_ts": post.ts},
                channel={"id": post.channel},
                message={"ts": post.ts, "text": shown.text, "blocks": shown.blocks} if shown else {"ts": post.ts},
                actions=[{"action_id": action, "block_id": "x", "value": value, "action_ts": ts}],
                state={"values": reasons},
                **changes,
            )
        )

    def event(
        self, body: bytes, *, secret: str = SECRET, retry: str = "", at: datetime | None = None, **changes: Any
    ) -> dict[str, Any]:
        """As the door puts it on the bus, and a rule hands it on."""
        signed = headers(body, at or self.clock(), secret=secret)
        return {
            "source": names.SOURCE_SLACK,
            "detail-type": names.DETAIL_SLACK_INTERACTION,
            "detail": {
                "body": body.decode(),
                "timestamp": signed["X-Slack-Request-Timestamp"],
                "signature": signed["X-Slack-Signature"],
                "retry": retry,
                **changes,
            },
        }

    def take(self, event: object, wired: ClicksWiring | None = None) -> dict[str, Any]:
        """One event through the real handler."""
        wired = wired or self.clicks_wired
        with self._acting("clicks", wired.settings):
            return clicks.handle(event, self.context(CLICKS.name), wired)

    def click(self, action: str, **how: Any) -> dict[str, Any]:
        return self.take(self.event(self.pressed(action, **how)))
