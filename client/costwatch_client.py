"""Tells Costwatch that a training run is alive: `heartbeat(step=812, total=900)` in the loop, `done()` at its end.

One file, Python 3.9 and newer, boto3 only and only once something is sent. Nothing here raises into training or blocks
it: beats are put into slots, a daemon thread sends the latest. What is sent and how it is paced stands in the README
("The wire format"), which the receiving side relies on. Times are UTC, durations are seconds unless a name says more.
"""

from __future__ import annotations

import argparse
import atexit
import concurrent.futures.thread  # noqa: F401 -- boto3 imports it, which at a process' end nobody may any more
import functools
import http.client
import importlib
import itertools
import json
import math
import operator
import os
import platform
import re
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable
from urllib.parse import urlsplit

__version__ = "0.1.0"
__all__ = ["done", "heartbeat", "heartbeat_check", "start"]  # a star must not ask for the callbacks' libraries

SOURCE = "costwatch.client"
BEAT, STARTED, DONE = "Run Heartbeat", "Run Started", "Run Done"
CHECK = "Heartbeat Check"
DEFAULT_BUS = "costwatch"

BEAT_INTERVAL_SECONDS = 300.0
SOON_SECONDS = 30.0
EXIT_SECONDS = 2.0
FORK_SECONDS = 5.0
METADATA_TIMEOUT_SECONDS = 1.0

DETAIL_BYTES = 4096  # a detail stays below
TEXT_CHARACTERS = 256
GIT_CHARACTERS = 128
METRICS, METRIC_NAME_CHARACTERS = 20, 64
LARGEST_COUNT = 2**53  # the last whole number that every JSON reader keeps
LONGEST_PHASE = timedelta(days=365)
ENDS_WAITING = 8  # with a start and a beat as many entries as a PutEvents takes
_NOTES = 3

ENV_MEMBER, ENV_BUS, ENV_REGION, ENV_RANK = (
    "COSTWATCH_RUN_MEMBER",
    "COSTWATCH_BUS",
    "COSTWATCH_REGION",
    "COSTWATCH_RANK",
)
_RANKS = (
    # What a launcher gives each worker comes before what a batch system gives each task: inside of a batch script all
    # workers of one mpirun or torchrun see the same SLURM_PROCID.
    "RANK",
    "HOROVOD_RANK",
    "OMPI_COMM_WORLD_RANK",
    "PMIX_RANK",
    "PMI_RANK",
    "MV2_COMM_WORLD_RANK",
    "SLURM_PROCID",
)
_TORCH = "torch.distributed rank"
"""Before all of these: a batch system's task may spawn workers that inherit its environment."""
_NO_RANK = "nothing tells it a rank; each process that is told none sends"

Environment = Mapping[str, str]
MakeClient = Callable[[str, str], Any]
"""From service and region to a boto3 client."""


# --- what training calls ------------------------------------------------------------------------------


def heartbeat(
    step: Any = None,
    total: Any = None,
    checkpoint: Any = None,
    next_within: Any = None,
    *unexpected: Any,
    **metrics: Any,
) -> None:
    """Say that the run is alive. Cheap: call it at every step, from every rank.

    `step` of `total`: whole numbers. `checkpoint`: path or name of the latest one; another text than before means a new
    one was written. `next_within`: the longest this run may now stay silent ("2h", "90m", "1h30m", a timedelta, or a
    number of seconds), for one long phase. `metrics`: up to 20 finite numbers.
    """
    with suppress(Exception):
        if unexpected:
            _client.note(f"{len(unexpected)} more positional arguments than heartbeat() has")
        _client.beat(step, total, checkpoint, next_within, metrics)


def done(*unexpected: Any, **unknown: Any) -> None:
    """Say that the run has ended well: its silence means nothing from here on."""
    with suppress(Exception):
        if unexpected or unknown:
            _client.note("done() takes no arguments")
        _client.done()


def start(git: Any = None, data: Any = None, seed: Any = None, *unexpected: Any, **unknown: Any) -> None:
    """Say that a training begins, and what it is made of: code (`git=True` reads the commit by itself), data, seed.

    One after another in one process, folds or trials, each begin with this: steps count anew from here.
    """
    with suppress(Exception):
        if unexpected or unknown:
            _client.note("start() takes git, data and seed only")
        _client.start(git, data, seed)


def heartbeat_check() -> bool:
    """Try everything a heartbeat needs and print what was found, with the IAM statement to paste. True: all well."""
    return _check(os.environ)


# --- arguments: what cannot be used is noted and left out ----------------------------------------------


class _Unusable(Exception):
    """An argument that cannot be used; the message is the sentence for the printed line."""


def _count(value: Any) -> int:
    """A whole number from 0 to 2**53, also as a float or as a library's own number."""
    if isinstance(value, bool):
        raise _Unusable("is not a whole number")
    try:
        number = int(operator.index(value))
    except TypeError:
        if not hasattr(type(value), "__float__"):
            raise _Unusable("is not a whole number") from None
        real = float(value)
        if not math.isfinite(real) or not real.is_integer():
            raise _Unusable("is not a whole number") from None
        number = int(real)
    if not 0 <= number <= LARGEST_COUNT:
        raise _Unusable("is not between 0 and 2**53")
    return number


_DURATION = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?", re.ASCII)


def _phase(value: Any) -> int:
    """A duration in whole seconds, rounded up: longer than zero, at most 365 days. A text needs units: 12 what?"""
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, str):
        match = _DURATION.fullmatch(value.strip().lower())
        parts = [int(part or 0) for part in match.groups()] if match and any(match.groups()) else None
        if parts is None:
            raise _Unusable("is not a duration such as 2h, 90m, 1h30m, a timedelta or a number of seconds")
        seconds = timedelta(days=parts[0], hours=parts[1], minutes=parts[2], seconds=parts[3]).total_seconds()
    elif not isinstance(value, bool) and hasattr(type(value), "__float__"):
        seconds = float(value)
    else:
        raise _Unusable("is not a duration such as 2h, 90m, 1h30m, a timedelta or a number of seconds")
    if not 0 < seconds <= LONGEST_PHASE.total_seconds():
        raise _Unusable("is not longer than zero and at most 365d")
    return math.ceil(seconds)


def _text(value: Any, characters: int = TEXT_CHARACTERS) -> str:
    """A text or a path of at most so many characters, with what does not print replaced by `?`.

    The end of a path tells it apart, so the end is what stays.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise _Unusable("is neither a text nor a path")
    path = os.fspath(value)
    text = os.fsdecode(path) if isinstance(path, bytes) else path
    if len(text) > characters:
        text = "..." + text[-(characters - 3) :]
    return "".join(each if each.isprintable() else "?" for each in text)


def _word(value: Any) -> str:
    """A text, a path or a number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _text(str(value))
    return _text(value)


def _short(text: str, characters: int) -> str:
    """At most so many characters of a sentence, its beginning, in one line."""
    line = " ".join(text[: 4 * characters].split())
    return line if len(line) <= characters else line[: characters - 3] + "..."


def _number(value: Any) -> float:
    """A finite number, whole ones as int."""
    if isinstance(value, (str, bytes, bytearray)):
        raise _Unusable("is not a number")
    number = float(value)
    if not math.isfinite(number):
        raise _Unusable("is not finite")
    whole = isinstance(value, int) and abs(number) <= LARGEST_COUNT
    return int(number) if whole else number


def _shown(value: Any) -> str:
    """For a person. Of anything but a text or a number the type: to show a tensor takes long."""
    kind = type(value)  # what it says of itself by `__class__` may raise
    if issubclass(kind, str):
        return repr(_short(value, 40))
    if issubclass(kind, (int, float, timedelta)):
        with suppress(Exception):
            return _short(repr(value), 40)
    return f"(a {kind.__name__})"


def _detached(value: Any) -> Any:
    """A tensor without its graph, which it would keep alive until it is sent."""
    with suppress(Exception):
        return value.detach()
    return value


def _rfc3339(at: datetime) -> str:
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- messages and their pace --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Message:
    """One event to be. `metrics` are as training gave them: a number on a GPU is read by the thread that sends."""

    kind: str
    at: datetime
    seq: int
    step: int | None = None
    total: int | None = None
    checkpoint: str | None = None
    checkpoint_at: datetime | None = None
    next_within_seconds: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: Mapping[str, Any] | None = None
    session: str = ""
    soon: bool = True
    """Costwatch may act on it at once, so it does not wait for the next regular beat."""
    news: bool = True
    """Worth a moment at the process' end."""


def _merged(older: _Message, newer: _Message) -> _Message:
    """The newer message with what the older one, unsent, had to say: an announced phase, metrics, how it may go."""
    announced = [m.next_within_seconds for m in (older, newer) if m.next_within_seconds is not None]
    kept = {k: v for k, v in older.metrics.items() if k not in newer.metrics} if older.session == newer.session else {}
    return replace(
        newer,
        next_within_seconds=max(announced, default=None),
        metrics=_first_of({**newer.metrics, **kept}),
        soon=older.soon or newer.soon,
        news=older.news or newer.news,
    )


def _first_of(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return dict(itertools.islice(metrics.items(), METRICS))


def _slot(message: _Message) -> tuple[str, str]:
    return message.kind, message.session if message.kind == DONE else ""


class _Outbox:
    """One slot per kind of message, and when each may go. Times are those of a monotonic clock, in seconds.

    That a session is done has a slot for each session: of one that is never heard of again nobody would know its end.

    The first of each kind goes at once; after that a beat waits until 5 minutes after the last one, and what is to go
    soon until 30 s after anything was sent (doubled with each failure, up to 5 minutes). Exactly then it may go.
    """

    def __init__(self) -> None:
        self._slots: dict[tuple[str, str], _Message] = {}
        self._tried: dict[str, float] = {}
        self._failures = 0

    def put(self, message: _Message) -> None:
        """The newest message of its kind; a run that is done says its last step itself."""
        if message.kind == DONE:
            last = self._slots.pop((BEAT, ""), None)
            if last is not None and last.session == message.session:
                message = replace(message, metrics=last.metrics)
        if message.kind == STARTED:
            self._slots.pop((DONE, message.session), None)  # it goes on, before anybody heard of an end
        older = self._slots.get(_slot(message))
        self._slots[_slot(message)] = message if older is None else _merged(older, message)
        ends = [slot for slot in self._slots if slot[0] == DONE]
        for slot in ends[:-ENDS_WAITING]:
            del self._slots[slot]

    def wait_seconds(self, now: float) -> float | None:
        """Until something may go: 0 or less for now, None while there is nothing."""
        return min((self._due(message) - now for message in self._slots.values()), default=None)

    def take(self, now: float, *, closing: bool = False) -> list[_Message]:
        """What may go, oldest first, and along with it what is to go soon. At the process' end all news may."""
        anything = any(self._due(m) <= now for m in self._slots.values())
        due = [m for m in self._slots.values() if self._due(m) <= now or (anything and m.soon) or (closing and m.news)]
        for message in due:
            del self._slots[_slot(message)]
            self._tried[message.kind] = now
        return sorted(due, key=lambda message: (message.at, message.seq))

    def settle(self, sent: Iterable[_Message], *, accepted: bool) -> None:
        """What was not accepted goes back, behind what was said since."""
        self._failures = 0 if accepted else self._failures + 1
        if accepted:
            return
        for message in sent:
            newer = self._slots.get(_slot(message))
            if newer is not None:
                self._slots[_slot(message)] = _merged(message, newer)
            elif message.kind != BEAT or (DONE, message.session) not in self._slots:
                self._slots[_slot(message)] = message

    def _due(self, message: _Message) -> float:
        if message.kind not in self._tried:
            return -math.inf
        if not message.soon:
            return self._tried[message.kind] + BEAT_INTERVAL_SECONDS
        pause = SOON_SECONDS * (1 << min(self._failures, 8))
        return max(self._tried.values()) + min(pause, BEAT_INTERVAL_SECONDS)


# --- who this is --------------------------------------------------------------------------------------


class _Missing(Exception):
    """Nothing can be sent; the message is the sentence that says what is missing."""


@dataclass(frozen=True)
class _Member:
    """The machine or job that beats; Costwatch maps it to its run."""

    service: str
    """`ec2`, `training` or `processing`."""
    id: str
    account: str
    region: str
    found: str
    """Where this was read."""

    def __str__(self) -> str:
        what = "instance" if self.service == "ec2" else f"{self.service} job"
        return f"{what} {self.id} in {self.region}, account {self.account}"


_ARN = re.compile(r"arn:(aws[a-z-]*):(ec2|sagemaker):([a-z0-9-]+):(\d{12}):(instance|training-job|processing-job)/(.+)")
_SERVICES = {"instance": "ec2", "training-job": "training", "processing-job": "processing"}
_NOWHERE = f"set {ENV_MEMBER} to the ARN of the instance or job"


def _from_arn(arn: str, found: str, name: str = "") -> _Member:
    """`name`, where it is known: SageMaker writes names in its ARNs in lower case."""
    match = _ARN.fullmatch(arn.strip())
    if match is None or (match.group(2) == "ec2") != (match.group(5) == "instance"):
        raise _Missing(f"{found} is no ARN of an instance, a training job or a processing job: {_shown(arn)}")
    _, _, region, account, kind, resource = match.groups()
    same = name.lower() == resource.lower()
    return _Member(_SERVICES[kind], name if same else resource, account, region, found)


def _find_member(environ: Environment, make_client: MakeClient, root: Path = Path("/opt/ml")) -> _Member:
    """Who beats: named by the environment, a SageMaker job, or an EC2 instance. Raises _Missing.

    A tuning job's child is the training job that it is. Instance metadata is never asked on SageMaker, where it would
    describe a machine of AWS.
    """
    named = environ.get(ENV_MEMBER, "")
    if named:
        return _from_arn(named, ENV_MEMBER)
    processing = _json_file(root / "config" / "processingjobconfig.json")
    # The toolkit's own job name comes last: in a tuning job's child it may be the tuning job's.
    in_toolkit = _json(environ.get("SM_TRAINING_ENV", ""))
    candidates = (
        ("training", "TRAINING_JOB_ARN", environ.get("TRAINING_JOB_ARN"), environ.get("TRAINING_JOB_NAME")),
        ("training", "SM_TRAINING_ENV", None, in_toolkit.get("job_name")),
        ("processing", "PROCESSING_JOB_ARN", environ.get("PROCESSING_JOB_ARN"), environ.get("PROCESSING_JOB_NAME")),
        (
            "processing",
            "processingjobconfig.json",
            processing.get("ProcessingJobArn"),
            processing.get("ProcessingJobName"),
        ),
    )
    for service, found, arn, name in candidates:
        if arn and isinstance(arn, str):
            return _from_arn(arn, found, str(name or ""))
        if name and isinstance(name, str):
            region = _own_region(environ)
            if not region:
                raise _Missing(f"the region of {service} job {name} is unknown: {_NOWHERE}")
            return _Member(service, name, _caller_account(make_client, region), region, found)
    if _on_sagemaker(environ, root):
        raise _Missing(f"this is SageMaker, but neither a training nor a processing job: {_NOWHERE}")
    return _instance(environ)


def _on_sagemaker(environ: Environment, root: Path) -> bool:
    marks = ("input/config/resourceconfig.json", "config/resourceconfig.json", "metadata/resource-metadata.json")
    return "SM_CURRENT_HOST" in environ or any((root / mark).exists() for mark in marks)


def _own_region(environ: Environment) -> str:
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or ""


def _caller_account(make_client: MakeClient, region: str) -> str:
    """A job that knows its name and no ARN runs in the account of its own credentials."""
    try:
        return str(make_client("sts", region).get_caller_identity()["Account"])
    except _Missing:
        raise
    except Exception as error:  # boto3 raises more than its own errors: ValueError for a strange endpoint, say
        raise _Missing(f"the account of this job is unknown ({_reason(error)}): {_NOWHERE}") from error


def _instance(environ: Environment) -> _Member:
    """From the instance's identity document, by IMDSv2; each request takes a second at most."""
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        raise _Missing(f"no SageMaker job, and AWS_EC2_METADATA_DISABLED forbids to ask for the instance: {_NOWHERE}")
    ipv6 = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "").lower() == "ipv6"
    default = "http://[fd00:ec2::254]" if ipv6 else "http://169.254.169.254"
    address = environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or default
    try:
        token = _metadata(address, "PUT", "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        headers = {"X-aws-ec2-metadata-token": token}
        document = _json(_metadata(address, "GET", "/latest/dynamic/instance-identity/document", headers))
        return _Member(
            "ec2",
            str(document["instanceId"]),
            str(document["accountId"]),
            str(document["region"]),
            "instance metadata",
        )
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        raise _Missing(
            f"neither a SageMaker job nor an EC2 instance (instance metadata: {_reason(error)}; in a container it "
            f"needs a hop limit of 2): {_NOWHERE}"
        ) from error


def _metadata(address: str, method: str, path: str, headers: Mapping[str, str]) -> str:
    url = urlsplit(address)
    if url.scheme != "http" or not url.hostname:
        raise ValueError(f"{_shown(address)} is no http address")
    # A plain connection knows no proxy: metadata never lies behind one.
    connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=METADATA_TIMEOUT_SECONDS)
    try:
        connection.request(method, url.path.rstrip("/") + path, headers=dict(headers))
        with connection.getresponse() as answer:
            body = answer.read(65536)
        if answer.status != http.client.OK:
            raise ValueError(f"HTTP {answer.status}")
        return body.decode("utf-8")
    finally:
        connection.close()


def _json(text: str) -> dict[str, Any]:
    """An object, or an empty one for anything else."""
    with suppress(ValueError, RecursionError):
        document = json.loads(text)
        if isinstance(document, dict):
            return document
    return {}


def _json_file(path: Path) -> dict[str, Any]:
    with suppress(OSError, UnicodeError):
        return _json(path.read_text(encoding="utf-8"))
    return {}


# --- which process of many ----------------------------------------------------------------------------


def _first(environ: Environment, hosts: list[str], current: str) -> tuple[bool, str]:
    """Is this the process that speaks for its run, and what says so? Without any sign it is."""
    for name in (ENV_RANK, _TORCH, *_RANKS):
        rank = _torch_rank() if name == _TORCH else _integer(environ.get(name))
        if rank is not None:
            return rank == 0, f"{name}={rank}"
    signs = []
    for names in (("LOCAL_RANK",), ("NODE_RANK", "GROUP_RANK")):
        found = next(((name, rank) for name in names if (rank := _integer(environ.get(name))) is not None), None)
        if found is not None:
            signs.append((found[1] == 0, f"{found[0]}={found[1]}"))
    if current in hosts:
        signs.append((current == min(hosts), f"host {current}"))
    return all(zero for zero, _ in signs), ", ".join(sign for _, sign in signs) or _NO_RANK


def _torch_rank() -> int | None:
    """The rank where training has set up torch.distributed: to what multiprocessing spawns, it is only an argument."""
    with suppress(Exception):
        distributed = sys.modules.get("torch.distributed")
        if distributed is not None and distributed.is_available() and distributed.is_initialized():
            rank = int(distributed.get_rank())
            return rank if rank >= 0 else None
    return None


def _hosts(environ: Environment, root: Path) -> tuple[list[str], str]:
    """The hosts of a SageMaker job, and which of them this is."""
    with suppress(ValueError):
        hosts = json.loads(environ.get("SM_HOSTS", ""))
        if isinstance(hosts, list) and environ.get("SM_CURRENT_HOST"):
            return [str(host) for host in hosts], environ["SM_CURRENT_HOST"]
    for found in (
        _json(environ.get("SM_RESOURCE_CONFIG", "")),
        _json_file(root / "input" / "config" / "resourceconfig.json"),
        _json_file(root / "config" / "resourceconfig.json"),
    ):
        if isinstance(found.get("hosts"), list) and found.get("current_host"):
            return [str(host) for host in found["hosts"]], str(found["current_host"])
    return [], ""


def _host_count(environ: Environment, hosts: list[str]) -> int | None:
    """How many machines the run has, where something says so."""
    told = (_integer(environ.get(name)) for name in ("GROUP_WORLD_SIZE", "SLURM_JOB_NUM_NODES", "SLURM_NNODES"))
    return len(hosts) or next((count for count in told if count), None)


def _integer(text: str | None) -> int | None:
    with suppress(TypeError, ValueError):
        return int(text or "")
    return None


# --- what this run is made of -------------------------------------------------------------------------


def _commit(beside: Path) -> str | None:
    """The commit that is checked out around a directory, read from git's own files: training images have no git."""
    for directory in (beside, *beside.parents):
        git = directory / ".git"
        if git.is_file():  # a worktree or a submodule
            git = directory / git.read_text(encoding="utf-8").partition("gitdir:")[2].strip()
        if not git.is_dir():
            continue
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref:"):
            return head
        name = head[4:].strip()
        shared = git / "commondir"
        common = git / shared.read_text(encoding="utf-8").strip() if shared.is_file() else git
        for place in (git, common):
            if (place / name).is_file():
                return (place / name).read_text(encoding="utf-8").strip()
        for line in (common / "packed-refs").read_text(encoding="utf-8").splitlines():
            commit, _, packed = line.partition(" ")
            if packed == name:
                return commit
    return None


def _code_version(value: Any) -> str | None:
    """What `start(git=...)` was given: True for the commit that the program was started from, or the version itself."""
    if value is False:
        return None
    if value is not True:
        return _text(value, GIT_CHARACTERS)
    with suppress(OSError, UnicodeError):
        commit = _commit(_program_directory())
        return commit and _text(commit, GIT_CHARACTERS)
    return None


def _program_directory() -> Path:
    program = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(program).resolve().parent if program else Path.cwd()


# --- the way to the bus -------------------------------------------------------------------------------


def _boto3_client(service: str, region: str) -> Any:
    """A client that gives up soon; boto3 honours AWS_ENDPOINT_URL and AWS_PROFILE. Raises _Missing without boto3."""
    _import_by_parts()
    try:
        with _importing:
            import encodings.idna  # noqa: F401, PLC0415 -- the first request would import it

            import boto3  # noqa: PLC0415 -- training that never sends does not pay for it
            from botocore.config import Config  # noqa: PLC0415 -- the same
    except ImportError as error:
        raise _Missing(f"boto3 cannot be imported ({_reason(error)}): pip install boto3") from error
    config = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
    # Not the default session: that one is training's own, and no thread may share it while it makes clients.
    session: Any = boto3.session.Session()
    return session.client(service, region_name=region, config=config)


_PARTS = (
    # In the order in which boto3 needs them, none much larger than the others; what a version lacks is passed over.
    "urllib3",
    "dateutil.parser",
    "botocore.compat",
    "multiprocessing.managers",
    "botocore.awsrequest",
    "botocore.httpchecksum",
    "botocore.credentials",
    "botocore.handlers",
    "botocore.client",
    "botocore.session",
    "s3transfer.manager",
)


def _import_by_parts() -> None:
    """What boto3 consists of, before it itself: between two of these nothing is half imported, and a fork may pass."""
    for name in _PARTS:
        if name not in sys.modules:
            with _importing, suppress(Exception):  # what is wrong with boto3, its own import will say
                importlib.import_module(name)
            time.sleep(0.001)  # else it would have the lock again before a fork that waits for it


_PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
    "eu-isoe-": "aws-iso-e",
    "eusc-": "aws-eusc",
}


@dataclass(frozen=True)
class _Bus:
    """Costwatch's event bus: a name or an ARN, in Costwatch's home region."""

    name: str
    region: str
    account: str

    @property
    def arn(self) -> str:
        if self.name.startswith("arn:"):
            return self.name
        partition = next((value for key, value in _PARTITIONS.items() if self.region.startswith(key)), "aws")
        return f"arn:{partition}:events:{self.region}:{self.account}:event-bus/{self.name}"

    @property
    def statement(self) -> dict[str, Any]:
        """The IAM statement that heartbeats need."""
        return {
            "Sid": "CostwatchHeartbeat",
            "Effect": "Allow",
            "Action": "events:PutEvents",
            "Resource": self.arn,
            # Of several entries in one call each must be one of these: a canary, which proves the way, is the sweep's.
            "Condition": {
                "StringEquals": {"events:source": SOURCE},
                "ForAllValues:StringEquals": {"events:detail-type": [BEAT, STARTED, DONE, CHECK]},
            },
        }

    @property
    def seeing_statement(self) -> dict[str, Any]:
        """Not needed to beat, only to notice a bus that is not there: to it PutEvents says yes as well."""
        return {
            "Sid": "CostwatchSeeTheBus",
            "Effect": "Allow",
            "Action": "events:DescribeEventBus",
            "Resource": self.arn,
        }

    def __str__(self) -> str:
        return f"event bus {self.name} in {self.region}"


def _find_bus(environ: Environment, account: str, own_region: str) -> _Bus:
    name = environ.get(ENV_BUS) or DEFAULT_BUS
    in_arn = name.split(":")[3] if name.count(":") >= 5 else ""
    return _Bus(name, environ.get(ENV_REGION) or in_arn or own_region, account)


class _Link:
    """From messages to accepted events. Whatever it found out it keeps: identity, bus, client."""

    def __init__(
        self, environ: Environment, make_client: MakeClient = _boto3_client, root: Path = Path("/opt/ml")
    ) -> None:
        self._environ = environ
        self._make_client = make_client
        self._root = root
        self._member: _Member | None = None
        self._client: Any = None
        self.bus_seen: bool | None = None
        """Whether the bus was seen to exist; False: looking is not allowed.

        PutEvents accepts, and loses, what goes to a bus that is not there.
        """

    @property
    def member(self) -> _Member:
        """Raises _Missing."""
        if self._member is None:
            self._member = _find_member(self._environ, self._make_client, self._root)
        return self._member

    @property
    def bus(self) -> _Bus:
        """Raises _Missing."""
        return _find_bus(self._environ, self.member.account, self.member.region)

    def send(self, messages: Iterable[_Message], note: Callable[[str], None]) -> str:
        """One PutEvents. Answers with the sentence about where the beats go. Raises _Missing."""
        member, bus = self.member, self.bus
        entries = [_entry(m.kind, _detail(m, member, note), bus) for m in messages]
        self.put(entries, bus)
        unseen = "" if self.bus_seen else " (whether that bus exists could not be seen: events:DescribeEventBus)"
        return f"heartbeats of {member} go to the {bus}{unseen}"

    def put(self, entries: list[dict[str, str]], bus: _Bus) -> None:
        """Raises _Missing."""
        try:
            if self._client is None:
                self._client = self._make_client("events", bus.region)
            self._look(bus)
            answer = self._client.put_events(Entries=entries)
        except _Missing:
            raise
        except Exception as error:  # not only boto3's own errors, as above; --check has no thread that would catch them
            self._client = None  # a client that was made without credentials never gets any
            raise _Missing(_sentence(error, bus)) from error
        refused = [entry for entry in answer.get("Entries", []) if entry.get("ErrorCode")]
        if refused:  # which PutEvents reports with HTTP 200
            raise _Missing(_sentence_of(refused[0]["ErrorCode"], refused[0].get("ErrorMessage", ""), bus))

    def _look(self, bus: _Bus) -> None:
        if self.bus_seen is not None:
            return
        try:
            self._client.describe_event_bus(Name=bus.name)
            self.bus_seen = True
        except Exception as error:  # a ClientError, known by its shape: its class would have to be imported
            if _code(error) not in _DENIED:
                raise
            self.bus_seen = False


def _entry(kind: str, detail: str, bus: _Bus) -> dict[str, str]:
    return {"Source": SOURCE, "DetailType": kind, "Detail": detail, "EventBusName": bus.name}


def _detail(message: _Message, member: _Member | None, note: Callable[[str], None]) -> str:
    """The JSON of an event: below 4 KB, as the README says."""
    metrics: dict[str, float] = {}
    for name, value in message.metrics.items():
        try:
            if len(name) > METRIC_NAME_CHARACTERS:
                raise _Unusable("has a name of more than 64 characters")
            metrics[_text(name)] = _number(value)
        except _Unusable as problem:
            note(f"metric {_short(_text(name), 40)} {problem}")
        except Exception:  # noqa: BLE001 -- somebody else's __float__
            note(f"metric {_short(_text(name), 40)} is not a number")
    body: dict[str, Any] = {
        "v": 1,
        "member": member
        and {"service": member.service, "id": member.id, "account": member.account, "region": member.region},
        "session": message.session,
        "at": _rfc3339(message.at),
        "seq": message.seq,
        "step": message.step,
        "total": message.total,
        "checkpoint": message.checkpoint,
        "checkpoint_at": message.checkpoint_at and _rfc3339(message.checkpoint_at),
        "next_within_seconds": message.next_within_seconds,
        "metrics": metrics,
        "client": f"costwatch-client/{__version__}",
    }
    if message.fingerprint is not None:
        body["fingerprint"] = message.fingerprint
    while True:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        if len(metrics) <= METRICS and len(text.encode("utf-8")) < DETAIL_BYTES:
            return text
        if not metrics:
            raise _Missing("this beat does not fit into 4 KB")
        note(f"more metrics than {METRICS}, or than fit into 4 KB")
        metrics.popitem()


def _code(error: BaseException) -> str:
    """AWS's own error code; empty for what is no answer of AWS."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _reason(error: BaseException) -> str:
    return _short(f"{type(error).__name__}: {error}", 160).rstrip(": ")


_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "NotAuthorizedForDetailTypeException",
    "NotAuthorizedForSourceException",
}
_REFUSED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_NO_CREDENTIALS = {"CredentialRetrievalError", "NoCredentialsError", "PartialCredentialsError", "ProfileNotFound"}
_NO_ANSWER = {"HTTPClientError", "ConnectionError"}


def _sentence(error: Exception, bus: _Bus) -> str:
    """What is missing, from whatever boto3 raised; by name, so that nobody has to import it."""
    code = _code(error)
    if code:
        return _sentence_of(code, str(error), bus)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & _NO_CREDENTIALS:
        return f"no AWS credentials ({_reason(error)}): give this machine a role"
    if kinds & _NO_ANSWER:
        return f"EventBridge does not answer ({_reason(error)}): a private subnet needs an endpoint for events"
    return _reason(error)


def _sentence_of(code: str, message: str, bus: _Bus) -> str:
    if code in _DENIED:
        return f"{code}: the role needs this IAM statement: {json.dumps(bus.statement)}"
    if code in _REFUSED:
        return f"{code}: AWS refuses these credentials: {_short(message, 160)}"
    if code == "ResourceNotFoundException":
        return f"there is no {bus}: the bus lives in Costwatch's home region, name it with {ENV_REGION} (and {ENV_BUS})"
    return f"{code}: {_short(message, 160)}"


# --- the client of this process -----------------------------------------------------------------------


def _say(line: str) -> None:
    """To stderr: what training prints may be data."""
    with suppress(Exception):
        print("costwatch: " + " ".join(line.split()), file=sys.stderr, flush=True)  # noqa: T201 -- the promised line


class _Client:
    """What training said last, and the thread that sends it.

    Seams for tests: the link, both clocks, where lines are printed, and `threaded=False`, where `turn()` is called by
    hand.
    """

    def __init__(
        self,
        environ: Environment = os.environ,
        *,
        link: Any = None,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        monotonic: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = _say,
        root: Path = Path("/opt/ml"),
        threaded: bool = True,
    ) -> None:
        self._environ = environ
        self._root = root
        self._link = _Link(environ, root=root) if link is None else link
        self._clock = clock
        self._monotonic = monotonic
        self._say = say
        self._threaded = threaded
        # Reentrant: a signal's handler, which saves and says so, may run in the middle of a beat of its own thread.
        self._condition = threading.Condition(threading.RLock())
        self._outbox = _Outbox()
        self._thread: threading.Thread | None = None
        self._speaking = self._rank_settled = self._closing = False
        self._notes: list[str] = []
        self._hosts: tuple[list[str], str] | None = None
        self._well: bool | None = None
        self._lines_left = 2
        self._session = self._process = os.urandom(8).hex()
        self._trainings = 1
        self._session_used = False
        self._seq = 0
        self._step: int | None = None
        self._total: int | None = None
        self._checkpoint = ""
        self._checkpoint_at: datetime | None = None
        self._announced: int | None = None

    # --- by training, from any thread: no call here waits for anything but a lock that is held for an instant

    def beat(self, step: Any, total: Any, checkpoint: Any, next_within: Any, metrics: Mapping[str, Any]) -> None:
        if not self._speaks():
            return
        step, total = self._used("step", step, _count), self._used("total", total, _count)
        text = self._used("checkpoint", checkpoint, _text)
        announced = self._used("next_within", next_within, _phase)
        if len(metrics) > METRICS:
            self.note(f"more than {METRICS} metrics at once")
        kept = {name: _detached(value) for name, value in _first_of(metrics).items()}
        now = self._clock()
        with self._condition:
            self._step = self._step if step is None else step
            self._total = self._total if total is None else total
            new_checkpoint = text is not None and text != self._checkpoint
            if new_checkpoint:
                self._checkpoint, self._checkpoint_at = text or "", now
            # The end of such a phase is not urgent: until then no beat is expected anyway.
            soon = announced is not None and announced != self._announced
            self._announced = announced
            self._post(BEAT, now, soon=soon, news=soon or new_checkpoint, next_within_seconds=announced, metrics=kept)

    def done(self) -> None:
        if self._speaks():
            with self._condition:
                self._post(DONE, self._clock())

    def start(self, git: Any, data: Any, seed: Any) -> None:
        if not self._speaks():
            return
        fingerprint: dict[str, Any] = {
            "git": self._used("git", git, _code_version),
            "data": self._used("data", data, _word),
            "seed": self._used("seed", seed, _count),
            "python": platform.python_version(),
        }
        count = _host_count(self._environ, self._known_hosts()[0])
        if count is not None:
            fingerprint["host_count"] = count
        with self._condition:
            self._begin_training()
            self._post(STARTED, self._clock(), fingerprint=fingerprint)

    def _begin_training(self) -> None:
        """Its steps begin anew, so it is a session of its own: of one, the receiver keeps the furthest step."""
        if self._session_used:
            # Named after the process, so that the end of one training is not taken for that of the next.
            self._trainings += 1
            self._session, self._session_used, self._seq = f"{self._process}.{self._trainings}", False, 0
        self._step = self._total = self._announced = self._checkpoint_at = None
        self._checkpoint = ""

    def note(self, sentence: str) -> None:
        """Something that was ignored, for the printed line; a few are enough, each once."""
        if sentence not in self._notes and len(self._notes) < _NOTES:
            self._notes.append(sentence)

    def _used(self, name: str, value: Any, read: Callable[[Any], Any]) -> Any:
        """The argument as it will be sent; None, and noted, where it cannot be used."""
        if value is None:
            return None
        try:
            return read(value)
        except _Unusable as problem:
            self.note(f"{name} {_shown(value)} {problem}")
        except Exception:  # noqa: BLE001 -- somebody else's __index__, __float__ or __fspath__
            self.note(f"{name} {_shown(value)} cannot be read")
        return None

    def _speaks(self) -> bool:
        # At every step: whoever has once spoken asks the environment no more, and torch until it knows.
        if not self._rank_settled:
            settled = _torch_rank() is not None
            if settled or not self._speaking:
                spoke, self._speaking = self._speaking, _first(self._environ, *self._known_hosts())[0]
                if spoke and not self._speaking:
                    self._forget()
            self._rank_settled = settled
        return self._speaking and not self._closing

    def _forget(self) -> None:
        """It spoke before it could know that another process does."""
        with self._condition:
            self._outbox = _Outbox()

    def _known_hosts(self) -> tuple[list[str], str]:
        if self._hosts is None:
            self._hosts = _hosts(self._environ, self._root)
        return self._hosts

    def _post(self, kind: str, at: datetime, **what: Any) -> None:
        self._seq += 1
        message = _Message(
            kind=kind,
            at=at,
            seq=self._seq,
            session=self._session,
            step=self._step,
            total=self._total,
            checkpoint=self._checkpoint or None,
            checkpoint_at=self._checkpoint_at,
            **what,
        )
        now = self._monotonic()
        before = self._outbox.wait_seconds(now)
        self._outbox.put(message)
        after = self._outbox.wait_seconds(now)
        if self._threaded and self._thread is None:
            self._begin()
        if before is None or after is None or after < before:
            # Only then: to wake the thread at every step would cost training more than all the rest.
            self._condition.notify_all()

    def _begin(self) -> None:
        thread = threading.Thread(target=self._run, name="costwatch-heartbeat", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._say_if_new(self._line(False, _reason(error)))
            return
        self._thread = thread
        _close_in_forked_workers()

    # --- by the thread

    def _run(self) -> None:
        while self.turn() or not self._closing:
            with self._condition:
                wait = self._outbox.wait_seconds(self._monotonic())
                if not self._closing and (wait is None or wait > 0):
                    self._condition.wait(wait)

    def turn(self) -> bool:
        """Send what may go now. False: there was nothing."""
        with self._condition:
            messages = self._outbox.take(self._monotonic(), closing=self._closing)
            # Also what is not accepted in the end: it may have arrived.
            told = any(m.session == self._session and m.kind != STARTED for m in messages)
            self._session_used = self._session_used or told
        if not messages:
            return False
        well = False
        try:
            sentence = self._link.send(messages, self.note)
            well = True
        except _Missing as missing:
            sentence = str(missing)
        except Exception as error:  # noqa: BLE001 -- the thread has to live on, and to say it
            sentence = _reason(error)
        with self._condition:
            # At the end nothing is tried twice, nor by whoever learned meanwhile that it is not to speak.
            self._outbox.settle(messages if self._speaking and not self._closing else [], accepted=well)
            line = self._line(well, sentence)
        self._say_if_new(line)  # without the lock: a terminal may be slow
        return True

    def _line(self, well: bool, sentence: str) -> str:
        """At the first send and when that changes, once; empty otherwise."""
        if well is self._well or not self._lines_left:
            return ""
        self._well = well
        self._lines_left -= 1
        ignored = f"; ignored: {'; '.join(self._notes)}" if self._notes else ""
        self._notes = []
        return f"{'ok, ' if well else 'no heartbeats: '}{sentence}{ignored}"

    def _say_if_new(self, line: str) -> None:
        if line:
            self._say(line)

    # --- at the process' end

    def close(self, seconds: float = EXIT_SECONDS) -> None:
        """Give what is under way, and all news, a moment to go."""
        thread = self._thread
        with self._condition:
            self._closing = True
            self._condition.notify_all()
        if thread is not None:
            thread.join(seconds)


def _close() -> None:
    with suppress(Exception):
        _client.close()


def _close_in_forked_workers() -> None:
    """A forked multiprocessing worker ends without `atexit`, but runs multiprocessing's own finalizers."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _close, exitpriority=1)


_importing = threading.RLock()
_fork = threading.local()


def _before_fork() -> None:
    """A child of a fork in the middle of an import waits for that module for ever, so the fork waits for the import.

    Only for the part of boto3 that is under way; but for all of that, since a child that hangs is worse than a parent
    that waits.
    """
    _fork.waited = _importing.acquire(timeout=FORK_SECONDS)


def _after_fork_in_parent() -> None:
    if _fork.waited:
        _importing.release()


def _after_fork_in_child() -> None:
    """The child has neither the thread nor anything to say; locks may have been held."""
    global _client, _importing  # noqa: PLW0603 -- one client per process
    _importing = threading.RLock()
    _client = _Client()


_client = _Client()
atexit.register(_close)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


# --- callbacks: made when they are asked for, so that this module needs neither library ------------------


def _quiet(method: Callable[..., None]) -> Callable[..., None]:
    """A callback's method that raises nothing into training."""

    @functools.wraps(method)
    def quietly(*arguments: Any, **named: Any) -> None:
        with suppress(Exception):
            method(*arguments, **named)

    return quietly


def _numbers(values: Any) -> dict[str, Any]:
    """What of a trainer's log is a number."""
    if not isinstance(values, Mapping):
        return {}
    return {
        str(name): value
        for name, value in values.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


class _HuggingFace:
    """Beats for transformers' Trainer: `Trainer(..., callbacks=[HeartbeatCallback()])`.

    Only `train()` is told: a log or an evaluation after it must not take back that it is done, and an evaluation on its
    own has no end that anybody would tell.
    """

    _training = False

    @_quiet
    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._training = True
        if state.is_world_process_zero:
            _client.start(True, None, getattr(args, "seed", None))

    @_quiet
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._beat(state)

    @_quiet
    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._beat(state)

    @_quiet
    def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._beat(state)

    @_quiet
    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self._beat(state, metrics=_numbers(logs))

    @_quiet
    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._beat(state, checkpoint=f"{args.output_dir}/checkpoint-{state.global_step}")

    @_quiet
    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._training = False
        if state.is_world_process_zero:
            _client.done()

    def _beat(self, state: Any, checkpoint: str | None = None, metrics: Mapping[str, Any] | None = None) -> None:
        if self._training and state.is_world_process_zero:
            total = state.max_steps if state.max_steps > 0 else None
            _client.beat(state.global_step, total, checkpoint, None, metrics or {})


class _Lightning:
    """Beats for Lightning's Trainer: `Trainer(..., callbacks=[LightningHeartbeatCallback()])`.

    Only `fit()` is told, as above. One that ends by an exception is not done.
    """

    _fitting = False
    _total: int | None = None
    _saving: str | None = None
    """A checkpoint that Lightning has begun to write. By its next event of any other kind it is written."""

    @_quiet
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._fitting, self._saving, self._total = True, None, _steps_of_fit(trainer, pl_module)
        if trainer.is_global_zero:
            _client.start(True, None, None)

    @_quiet
    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any = None, batch: Any = None, batch_idx: Any = None, *_: Any
    ) -> None:
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        parts = getattr(trainer, "accumulate_grad_batches", 1)
        if loss is not None and parts > 1:
            loss = loss * parts  # Lightning has divided it by them
        self._beat(trainer, {} if loss is None else {"loss": loss})

    @_quiet
    def on_validation_batch_end(self, trainer: Any, pl_module: Any, *_: Any, **__: Any) -> None:
        self._beat(trainer)

    @_quiet
    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Any) -> None:
        if self._fitting:
            self._saving = f"step {trainer.global_step}"  # Lightning does not tell a callback the path

    @_quiet
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._fitting = False

    @_quiet
    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        # Later than on_train_end, in which Lightning may still write its last checkpoint.
        if self._fitting:
            self._beat(trainer)
            self._fitting = False
            if trainer.is_global_zero:
                _client.done()

    def _beat(self, trainer: Any, metrics: Mapping[str, Any] | None = None) -> None:
        if self._fitting and trainer.is_global_zero:
            saved, self._saving = self._saving, None
            _client.beat(trainer.global_step, self._total, saved, None, metrics or {})


def _steps_of_fit(trainer: Any, module: Any) -> int | None:
    """The optimizer steps of a whole fit, as its `global_step` counts them. None: it has no limit in these."""
    with suppress(Exception):
        # A module that steps its optimizers itself takes as many steps a batch as it likes.
        by_batches = getattr(module, "automatic_optimization", True)
        steps = trainer.estimated_stepping_batches if by_batches else trainer.max_steps
        return int(steps) if 0 < steps < math.inf else None
    return None


def _trainer_callback() -> tuple[type[Any], ...]:
    from transformers import TrainerCallback  # noqa: PLC0415 -- an optional library

    return (TrainerCallback,)


def _lightning_callback() -> tuple[type[Any], ...]:
    """Of both packages where both are there: whose Trainer it will be is not known yet, and each knows its own."""
    try:
        from lightning.pytorch.callbacks import Callback  # noqa: PLC0415 -- an optional library
    except ImportError:
        from pytorch_lightning.callbacks import Callback  # noqa: PLC0415 -- the same

        return (Callback,)
    with suppress(Exception):  # one that is there and cannot be imported trains nobody
        from pytorch_lightning.callbacks import Callback as Twin  # noqa: PLC0415 -- the same

        return (Twin,) if issubclass(Twin, Callback) else (Callback, Twin)
    return (Callback,)


_CALLBACKS: dict[str, tuple[type[Any], Callable[[], tuple[type[Any], ...]], str]] = {
    "HeartbeatCallback": (_HuggingFace, _trainer_callback, "transformers"),
    "LightningHeartbeatCallback": (_Lightning, _lightning_callback, "lightning"),
}


def __getattr__(name: str) -> Any:
    """The callbacks' classes. ImportError, with what to install, where their library is missing."""
    if name not in _CALLBACKS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    behaviour, found, library = _CALLBACKS[name]
    try:
        bases = (behaviour, *found())
    except ImportError as error:
        raise ImportError(f"{name} needs {library}: pip install {library}") from error
    made = type(name, bases, {"__doc__": behaviour.__doc__, "__module__": __name__})
    globals()[name] = made  # the next look, pickle's too, finds the same class
    return made


# --- python -m costwatch_client --check -----------------------------------------------------------------


def _check(
    environ: Environment,
    *,
    make_client: MakeClient = _boto3_client,
    root: Path = Path("/opt/ml"),
    write: Callable[[str], None] = print,
) -> bool:
    link = _Link(environ, make_client, root)
    speaks, sign = _first(environ, *_hosts(environ, root))
    write(f"process      {'sends' if speaks else 'stays silent, only rank 0 sends'} ({sign})")
    member: _Member | None = None
    try:
        member = link.member
        write(f"identity     {member} (from {member.found})")
    except _Missing as missing:
        write(f"identity     MISSING: {missing}")
    bus = _find_bus(environ, member.account if member else "", member.region if member else _own_region(environ))
    account = _check_credentials(bus, make_client, write)
    bus = replace(bus, region=bus.region or "REGION", account=bus.account or account or "ACCOUNT")
    accepted = _check_beat(link, member, bus, write)
    write("")
    write("The role needs the first statement; by the second it is noticed when the bus is not there:")
    write(json.dumps([bus.statement, bus.seeing_statement], indent=2))
    return member is not None and accepted


def _check_credentials(bus: _Bus, make_client: MakeClient, write: Callable[[str], None]) -> str:
    """Whose they are. What matters is whether the beat is accepted, so this decides nothing."""
    if not bus.region:
        return ""
    try:
        caller = make_client("sts", bus.region).get_caller_identity()
        write(f"credentials  {caller['Arn']}")
        return str(caller["Account"])
    except _Missing as missing:
        write(f"credentials  unknown: {missing}")
    except Exception as error:  # noqa: BLE001 -- the check goes on to the beat, which decides; this one is said
        write(f"credentials  unknown: {_sentence(error, bus)}")
    return ""


def _check_beat(link: _Link, member: _Member | None, bus: _Bus, write: Callable[[str], None]) -> bool:
    if bus.region == "REGION":
        write(f"bus          MISSING: the region is unknown: set {ENV_REGION} to Costwatch's home region")
        return False
    message = _Message(CHECK, datetime.now(timezone.utc), seq=0)
    try:
        link.put([_entry(CHECK, _detail(message, member, lambda _: None), bus)], bus)
    except _Missing as missing:
        write(f"bus          MISSING: {missing}")
        return False
    seen = "" if link.bus_seen else ", though whether it exists could not be seen (events:DescribeEventBus)"
    write(f"bus          {bus} accepted a check beat{seen}")
    return True


def _main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m costwatch_client", description="Heartbeats for Costwatch.")
    parser.add_argument("--version", action="version", version=f"costwatch-client {__version__}")
    parser.add_argument("--check", action="store_true", required=True, help="try what a heartbeat needs, and say it")
    parser.parse_args(arguments)
    return 0 if heartbeat_check() else 1


if __name__ == "__main__":
    sys.exit(_main())
