"""A Slack on 127.0.0.1: the Web API methods that slack_sdk.WebClient calls here, in Slack's shapes, with its limits.

People have a page, and what they click there goes to the app as Slack sends it.

Give `base_url` to WebClient (it ends with `/api/`, as WebClient wants). What was posted is in `messages`, in order, and
at `page_url` for people. Clicks are signed with `signing_secret` and posted to `interactivity_url`.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

from demo import slack_page
from demo.slack_clicks import Delivery, Installation, SlackClickError
from demo.slack_http import handler_of
from demo.slack_interactivity import Interactivity
from demo.slack_messages import SlackMessage
from demo.slack_mrkdwn import Names
from demo.slack_text import render_text
from demo.slack_workspace import SlackWorkspace, utc_now

__all__ = [
    "DEFAULT_SIGNING_SECRET",
    "DEFAULT_TOKEN",
    "Delivery",
    "Installation",
    "SlackClickError",
    "SlackEndpoint",
    "SlackMessage",
    "render_text",
]

DEFAULT_TOKEN: Final = "xoxb-embedded"
DEFAULT_SIGNING_SECRET: Final = "embedded-signing-secret"


class SlackEndpoint(SlackWorkspace):
    """`with SlackEndpoint(users=["dana@example.com"]) as slack:` listens until the block ends.

    Everything may be changed while it runs, from any thread: what SlackWorkspace names, `interactivity_url`,
    `signing_secret`, `go_down`, `rate_limit`, `fail_after_accept`, `delete`.
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | list[str] | tuple[str, ...] = (),
        token: str = DEFAULT_TOKEN,
        signing_secret: str = DEFAULT_SIGNING_SECRET,
        interactivity_url: str = "",
        installation: Installation | None = None,
        clock: Callable[[], datetime] = utc_now,
        port: int = 0,
    ) -> None:
        super().__init__(users=users, token=token, installation=installation or Installation(), clock=clock)
        self._interactivity = Interactivity(self, url=interactivity_url, signing_secret=signing_secret)
        self.page_token = secrets.token_urlsafe(32)
        self._port = port
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._status: int | None = None
        self._rate_limited: list[int] = []

    # --- life ------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _listen(self) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", self._port), handler_of(self))
        server.daemon_threads = True
        self._port = server.server_address[1]
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="embedded-slack", daemon=True
        )
        self._thread.start()

    def _close(self) -> None:
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.shutdown()
            server.server_close()
            thread.join(timeout=5)

    @property
    def base_url(self) -> str:
        """For WebClient(base_url=...). Stays the same while the endpoint is down."""
        return f"http://127.0.0.1:{self._port}/api/"

    # --- the page --------------------------------------------------------------------------------------

    @property
    def page_url(self) -> str:
        """Where a browser shows what was posted; answers as long as the endpoint listens."""
        return f"http://127.0.0.1:{self._port}/"

    def page_url_of(self, user: str) -> str:
        """The page as this person (email or id) has it, who may click there."""
        return f"{self.page_url}?as={self.person(user).id}"

    def page(self, *, live: bool = True, viewer: str = "") -> str:
        """The page, for the person with this id. Not `live`: to be kept as a file, which asks nobody for news."""
        return slack_page.page(self._scene(viewer), live=live, token=self.page_token if live else "")

    def news(self, version: str, viewer: str = "") -> dict[str, Any]:
        """What has changed for a page that shows `version`; only the version where nothing has."""
        scene = self._scene(viewer)
        if scene.version == version:
            return {"version": version, "now": int(scene.now.timestamp())}
        return slack_page.update(scene)

    def _scene(self, viewer: str) -> slack_page.Scene:
        with self._lock:
            kept = self.everything()
            people = self.people.all()
            return slack_page.Scene(
                messages=kept,
                people=people,
                viewer=next((each for each in people if each.id == viewer and not each.deleted), None),
                groups={each.id: each.handle for each in self.people.groups.values()},
                channels=dict(self.channel_names),
                version=f"{self.revision}-{len(kept)}",
                now=self.clock(),
            )

    # --- clicks ----------------------------------------------------------------------------------------

    def click(
        self,
        message: SlackMessage,
        action_id: str,
        *,
        user: str,
        inputs: Mapping[str, str] | None = None,
        option: str | None = None,
        block_id: str = "",
    ) -> Delivery:
        """What the page does when `user` (email or id) clicks a button and confirms it, or picks a select's `option`.

        `inputs`: action id -> what they wrote, or the value of the option they chose, in the message's other fields.
        The answer has the door's status. Raises SlackClickError where the page would not let them.
        """
        return self._interactivity.click(message, action_id, user=user, inputs=inputs, option=option, block_id=block_id)

    def clicked(self, click: Mapping[str, Any]) -> dict[str, Any]:
        """The same, as the page sends it."""
        return self._interactivity.from_page(click)

    def redeliver(self, delivery: Delivery, *, number: int = 1, reason: str = "http_timeout") -> Delivery:
        """The same body once more, signed anew, as Slack repeats events: X-Slack-Retry-Num and X-Slack-Retry-Reason."""
        return self._interactivity.redeliver(delivery, number=number, reason=reason)

    @property
    def deliveries(self) -> list[Delivery]:
        """Every request to the app, in the order in which they ended."""
        return self._interactivity.deliveries

    @property
    def interactivity_url(self) -> str:
        """Where clicks are sent; without one the app is not configured for them."""
        return self._interactivity.url

    @interactivity_url.setter
    def interactivity_url(self, url: str) -> None:
        self._interactivity.url = url

    @property
    def signing_secret(self) -> str:
        """What the app knows us by."""
        return self._interactivity.signing_secret

    @signing_secret.setter
    def signing_secret(self, secret: str) -> None:
        self._interactivity.signing_secret = secret

    # --- knobs -----------------------------------------------------------------------------------------

    def go_down(self, status: int | None = None) -> None:
        """Refuse connections, or answer everything with an HTTP status such as 500, until `come_up`."""
        if status is None:
            self._close()
        self._status = status

    def come_up(self) -> None:
        """Answer again, on the same port."""
        self._status = None
        if self._server is None:
            self._listen()

    def rate_limit(self, times: int, retry_after_seconds: int = 1) -> None:
        """The next `times` calls get HTTP 429 with Retry-After."""
        self.rate_limits([retry_after_seconds] * times)

    def rate_limits(self, retry_after_seconds: Sequence[int]) -> None:
        """The next calls get HTTP 429 with these values of Retry-After, in this order."""
        with self._lock:
            self._rate_limited = list(reversed(retry_after_seconds))

    def fail_after_accept(self, times: int = 1) -> None:
        """The next `times` messages are posted and the connection breaks before the answer: nobody is told so."""
        self.drops_after_accept = times

    def reset(self) -> None:
        """No message, click or knob, nobody deactivated, no group; users, token, secret, address and clock stay."""
        with self._lock:
            self.forget()
            self.deliveries.clear()
            self._rate_limited = []
        self.come_up()

    @property
    def limits_left(self) -> int:
        """How many of the next calls will be limited."""
        with self._lock:
            return len(self._rate_limited)

    def take_rate_limit(self) -> int | None:
        """The Retry-After of this call in seconds, when it is one of the limited."""
        with self._lock:
            return self._rate_limited.pop() if self._rate_limited else None

    @property
    def forced_status(self) -> int | None:
        """The HTTP status that stands in for every answer, while there is one."""
        return self._status

    def render(self, message: SlackMessage) -> str:
        """`render_text` with the names of this endpoint's people, groups and channels."""
        users = {each.id: each.name for each in self.people.all()}
        groups = {each.id: each.handle for each in self.people.groups.values()}
        return render_text(message, Names(users, dict(self.channel_names), groups))
