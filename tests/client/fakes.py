"""What the client meets outside: clocks, EventBridge, and instance metadata on a loopback port. They record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import costwatch_client

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
ACCOUNT = "111122223333"
INSTANCE = "i-0abc12345def67890"
INSTANCE_ARN = f"arn:aws:ec2:us-east-1:{ACCOUNT}:instance/{INSTANCE}"
NOWHERE = Path("/no/such/directory")


@dataclass
class Clock:
    """A wall clock and a monotonic one that move together, when told."""

    seconds: float = 1000.0

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 1000.0)

    def monotonic(self) -> float:
        return self.seconds

    def forward(self, seconds: float) -> None:
        self.seconds += seconds


class AwsAnswer(Exception):
    """What botocore raises for an answer that is an error: by its shape, since the client knows it by nothing else."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"An error occurred ({code}): {message}")
        self.response = {"Error": {"Code": code, "Message": message}}


@dataclass
class FakeEvents:
    """EventBridge. It answers "accepted" for a bus that does not exist, as the real one does."""

    buses: tuple[str, ...] = ("costwatch",)
    fails: Exception | None = None
    look_fails: Exception | None = None
    refuses: Mapping[str, str] | None = None
    """The result entry of what was refused, which comes with HTTP 200."""
    calls: list[list[dict[str, str]]] = field(default_factory=list)
    looks: int = 0
    account: str = ACCOUNT

    def describe_event_bus(self, *, Name: str) -> dict[str, str]:  # noqa: N803 - boto3's own name
        self.looks += 1
        if self.look_fails is not None:
            raise self.look_fails
        if Name.rpartition("/")[2] not in self.buses:
            raise AwsAnswer("ResourceNotFoundException", f"Event bus {Name} does not exist.")
        return {"Name": Name}

    def put_events(self, *, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        if self.fails is not None:
            raise self.fails
        self.calls.append(Entries)
        if self.refuses is not None:
            return {"FailedEntryCount": len(Entries), "Entries": [self.refuses for _ in Entries]}
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "e"} for _ in Entries]}

    def get_caller_identity(self) -> dict[str, str]:
        """STS: one fake serves as every client."""
        return {"Account": self.account, "Arn": f"arn:aws:sts::{self.account}:assumed-role/trainer/i-0abc"}

    @property
    def sent(self) -> list[tuple[str, dict[str, Any]]]:
        """Detail type and detail of everything that arrived."""
        return [(entry["DetailType"], json.loads(entry["Detail"])) for call in self.calls for entry in call]

    @property
    def steps(self) -> list[int | None]:
        return [detail["step"] for kind, detail in self.sent if kind == costwatch_client.BEAT]


@dataclass
class Training:
    """A client without a thread: `turn()` is the moment in which its thread would look."""

    events: FakeEvents = field(default_factory=FakeEvents)
    clock: Clock = field(default_factory=Clock)
    environ: dict[str, str] = field(default_factory=lambda: {costwatch_client.ENV_MEMBER: INSTANCE_ARN})
    lines: list[str] = field(default_factory=list)
    made: list[tuple[str, str]] = field(default_factory=list)
    root: Path = NOWHERE

    def __post_init__(self) -> None:
        link = costwatch_client._Link(self.environ, self._client, self.root)
        self.client = costwatch_client._Client(
            self.environ,
            link=link,
            clock=self.clock.wall,
            monotonic=self.clock.monotonic,
            say=self.lines.append,
            root=self.root,
            threaded=False,
        )

    def _client(self, service: str, region: str) -> Any:
        self.made.append((service, region))
        return self.events

    def heartbeat(
        self, step: Any = None, total: Any = None, checkpoint: Any = None, next_within: Any = None, **metrics: Any
    ) -> None:
        self.client.beat(step, total, checkpoint, next_within, metrics)

    def turn(self) -> bool:
        return self.client.turn()

    def after(self, seconds: float) -> bool:
        self.clock.forward(seconds)
        return self.client.turn()

    @property
    def last(self) -> dict[str, Any]:
        return self.events.sent[-1][1]


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's own name
        del format, args


@dataclass
class Metadata:
    """The instance metadata service, version 2: without a token that it gave it says 401."""

    address: str
    requests: list[tuple[str, str]] = field(default_factory=list)
    document: str = json.dumps({"instanceId": INSTANCE, "accountId": ACCOUNT, "region": "eu-west-1"})
    status: int = 200
    silent: bool = False


@contextmanager
def metadata_service() -> Iterator[Metadata]:
    over = Event()

    class Handler(_Quiet):
        def do_PUT(self) -> None:
            self._answer("AQAE-token" if self.headers.get("X-aws-ec2-metadata-token-ttl-seconds") else None)

        def do_GET(self) -> None:
            allowed = self.headers.get("X-aws-ec2-metadata-token") == "AQAE-token"
            self._answer(service.document if allowed else None)

        def _answer(self, body: str | None) -> None:
            service.requests.append((self.command, self.path))
            if service.silent:
                over.wait(10)
                return
            self.send_response(401 if body is None else service.status)
            self.end_headers()
            self.wfile.write((body or "").encode())

    with _serving(Handler) as address:
        service = Metadata(address)
        yield service
        over.set()


@contextmanager
def hanging_endpoint() -> Iterator[str]:
    """An endpoint that takes a request and never answers."""
    over = Event()

    class Handler(_Quiet):
        def do_POST(self) -> None:
            over.wait(60)

    with _serving(Handler) as address:
        yield address
        over.set()


@dataclass
class LoopbackBus:
    """EventBridge on a loopback port, for the real boto3."""

    address: str
    entries: list[dict[str, str]] = field(default_factory=list)

    @property
    def sent(self) -> list[tuple[str, dict[str, Any]]]:
        """Detail type and detail of everything that arrived."""
        return [(entry["DetailType"], json.loads(entry["Detail"])) for entry in self.entries]


@contextmanager
def loopback_bus() -> Iterator[LoopbackBus]:
    class Handler(_Quiet):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            entries = asked.get("Entries", [])  # a DescribeEventBus has none
            bus.entries += entries
            answer = {"Name": "costwatch", "FailedEntryCount": 0, "Entries": [{"EventId": "e"} for _ in entries]}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with _serving(Handler) as address:
        bus = LoopbackBus(address)
        yield bus


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
