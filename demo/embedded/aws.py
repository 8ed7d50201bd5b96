"""The embedded AWS as one object: a server on 127.0.0.1, how to reach it, how to seed it, how to break it."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from xml.sax.saxutils import escape

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import HTTPClientError
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from demo.embedded.faults import Faults
from demo.embedded.fleet import Fleet
from demo.embedded.install import install
from demo.embedded.models import Models
from demo.embedded.price_list_like_aws import PriceListEndpoint
from demo.embedded.world import Clock, SnsMessage, World, utc_now

_HOST: Final = "127.0.0.1"
_KEY: Final = "embedded"  # moto checks no signature; a real-looking key would only frighten scanners


class _QuietHandler(MotoRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's signature
        """Nothing: requests would drown the story on the terminal, and errors are kept by `_ErrorKeeper`."""


class _ErrorKeeper:
    """Keeps the traceback of whatever moto fails with, and closes the socket where a fault says so."""

    def __init__(self, application: Any, errors: list[str]) -> None:
        self._application = application
        self._errors = errors

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            answer: Iterable[bytes] = self._application(environ, start_response)
        except HTTPClientError as lost:
            with suppress(OSError):
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionError from lost  # the server's word for a client that went away: it says nothing further
        except Exception:  # noqa: BLE001 - the server's outermost edge: whatever moto raised must reach `errors`
            text = traceback.format_exc()
            self._errors.append(text)
            # 501 and not 500: botocore would retry a 500 four times and hide where it came from.
            content_type, body = _failure_body(environ, text)
            start_response("501 Not Implemented", [("Content-Type", content_type)])
            return [body.encode()]
        return answer


def _failure_body(environ: Mapping[str, Any], text: str) -> tuple[str, str]:
    """Content type and body in the protocol of the request: the caller sees the traceback and no parser error."""
    if "json" in environ.get("CONTENT_TYPE", ""):
        return "application/x-amz-json-1.1", json.dumps({"__type": "EmbeddedAwsFailure", "message": text})
    error = f"<Error><Code>EmbeddedAwsFailure</Code><Message>{escape(text)}</Message></Error>"
    return "text/xml", f"<Response><Errors>{error}</Errors></Response>"


class _Server(ThreadedMotoServer):
    """Binds before the thread starts, so that a port that is taken is an error here and not a hang there."""

    def __init__(self, errors: list[str], port: int) -> None:
        super().__init__(ip_address=_HOST, port=port, verbose=False)
        self._errors = errors

    def start(self) -> None:
        moto = DomainDispatcherApplication(create_backend_app)
        application = _ErrorKeeper(PriceListEndpoint(moto), self._errors)
        server = make_server(_HOST, self._port, application, threaded=True, request_handler=_QuietHandler)
        self._server = server
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="embedded-aws", daemon=True
        )
        self._thread.start()


class EmbeddedAws:
    """`with EmbeddedAws() as aws:` starts it and leaves nothing behind. Nothing global is set: pass on `environment()`.

    moto's state belongs to the process, so one at a time. `clock` gives new launches and stops their time (aware UTC).
    """

    def __init__(self, *, clock: Clock = utc_now, region: str = "us-east-1", port: int = 0) -> None:
        self.world = World(clock=clock)
        self.region = region
        self.errors: list[str] = []
        self._port = port
        self._server: _Server | None = None
        self._cleanup = ExitStack()
        self._session: boto3.session.Session | None = None
        self._clients: dict[tuple[str, str], Any] = {}

    def __enter__(self) -> Self:
        try:
            self._cleanup.enter_context(install(self.world))
            _clear_backends()
            self._cleanup.callback(_clear_backends)
            server = _Server(self.errors, self._port)
            server.start()
            self._cleanup.callback(server.stop)
            self._server = server
            self.world.port = server.get_host_and_port()[1]
            directory = self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="embedded-aws-"))
            self._session = self._make_session(Path(directory))
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self._session = self._server = None
        self._cleanup.close()

    @property
    def endpoint_url(self) -> str:
        """`http://127.0.0.1:<port>`. Raises RuntimeError before the start."""
        if self._server is None:
            raise RuntimeError("the embedded AWS is not running")
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"

    @property
    def account_id(self) -> str:
        """The account every key here belongs to."""
        return DEFAULT_ACCOUNT_ID

    @property
    def faults(self) -> Faults:
        """What fails, and how often."""
        return self.world.faults

    @property
    def sns_messages(self) -> list[SnsMessage]:
        """Everything published, in order."""
        return self.world.sns_messages

    @property
    def fleet(self) -> Fleet:
        """Seeds instances and jobs of any age."""
        return Fleet(self.world, account_id=self.account_id, region=self.region)

    @property
    def models(self) -> Models:
        """Seeds the model registry, what was measured of its versions, and S3."""
        return Models(self.world, account_id=self.account_id, region=self.region)

    def environment(self, region: str | None = None) -> Mapping[str, str]:
        """What a process needs to see this AWS and no other: no file or metadata service answers beside it.

        Add it to an environment without AWS_PROFILE: a profile that no file defines is an error.
        """
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _KEY,
            "AWS_SESSION_TOKEN": _KEY,
            "AWS_REGION": region or self.region,
            "AWS_DEFAULT_REGION": region or self.region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
            "NO_PROXY": f"{_HOST},localhost",
            "no_proxy": f"{_HOST},localhost",
        }

    def _make_session(self, directory: Path) -> boto3.session.Session:
        # boto3 takes an endpoint per client or from a configuration file. With the file, a client that is made from
        # the session without naming one cannot reach the real AWS by accident.
        file = directory / "config"
        file.write_text(f"[default]\nregion = {self.region}\nendpoint_url = {self.endpoint_url}\n")
        core = botocore.session.Session(profile="default")
        core.set_config_variable("config_file", str(file))
        core.set_config_variable("credentials_file", "/dev/null")
        core.set_config_variable("ignore_configured_endpoint_urls", False)
        core.set_credentials(_KEY, _KEY, _KEY)
        return boto3.session.Session(botocore_session=core, region_name=self.region)

    def session(self) -> boto3.session.Session:
        """A session whose clients come here. Raises RuntimeError before the start."""
        if self._session is None:
            raise RuntimeError("the embedded AWS is not running")
        return self._session

    def client(self, service: str, region: str | None = None, **options: Any) -> Any:
        """A client that comes here. Without options it is shared, and it makes one attempt: a fault shows at once."""
        region = region or self.region
        key = (service, region)
        if not options and key in self._clients:
            return self._clients[key]
        # boto3's typed overloads are one per service name; the name is a variable here.
        make: Any = self.session().client
        client = make(
            service,
            region_name=region,
            endpoint_url=self.endpoint_url,
            **({"config": Config(retries={"total_max_attempts": 1}, proxies={})} | options),
        )
        if not options:
            self._clients[key] = client
        return client

    def reset(self) -> None:
        """An empty account: no resource, no fault, no message, no error. The clock and the port stay."""
        _clear_backends()
        self.world.reset()
        self.errors.clear()


def _clear_backends() -> None:
    BackendDict.reset()
    reset_model_data()
