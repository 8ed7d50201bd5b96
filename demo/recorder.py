"""Records which permissions every AWS call of this process needed, in whose name it was made.

`install` adds a hook to botocore's built-in handlers, so every client of every session made afterwards carries it.
Who runs a function wraps it in `acting_as`; calls outside of it (seeding, assertions) are nobody's and are ignored.
With COSTWATCH_RECORD_CALLS set, each process, forks and subprocesses included, also appends what it saw to that file.
The recorder only looks: a call goes through as if it were not there.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import botocore.handlers
from botocore.hooks import BaseEventHooks

from costwatch.adapters.signed_calls import SignedCalls
from costwatch.core.policy import Policy
from costwatch.settings import AnySettings
from demo.iam_questions import Question, questions
from demo.resource_context import describe

ENV_FILE: Final = "COSTWATCH_RECORD_CALLS"
DEADMAN, HINTS, HEARTBEATS, PRICES, GATE = "deadman", "hints", "heartbeats", "prices", "gate"
DOOR, CLICKS, RES, RETRAIN = "door", "clicks", "res", "retrain"
OPERATOR, SCANNER, PREVIEWER, BEGINNER, DOCTOR = "operator", "scanner", "previewer", "beginner", "doctor"
ROLES: Final = (
    DEADMAN,
    HINTS,
    HEARTBEATS,
    PRICES,
    GATE,
    DOOR,
    CLICKS,
    RES,
    RETRAIN,
    OPERATOR,
    SCANNER,
    PREVIEWER,
    BEGINNER,
    DOCTOR,
)
_EVENT: Final = "before-parameter-build"
_DEFAULT_ACCOUNT: Final = "123456789012"  # moto's


@dataclass(frozen=True, slots=True)
class Acting:
    """Who calls, under which policy and with which ledger, topic and queue.

    `policy` is the JSON of what the stop permissions are made of; empty where the role holds none.
    `settings` is the function's environment as sorted pairs.
    """

    role: str
    policy: str = ""
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def account(self) -> str:
        """Taken from the topic's ARN; moto's default account where there is none."""
        parts = self._value("topic_arn").split(":")
        return parts[4] if len(parts) > 5 else os.environ.get("MOTO_ACCOUNT_ID", _DEFAULT_ACCOUNT)

    def _value(self, ending: str) -> str:
        return next((value for name, value in self.settings if name.lower().endswith(ending)), "")


@dataclass(frozen=True, slots=True)
class Asked:
    """One permission that was needed, by whom. `acting` None: made in a thread that nobody gave a role."""

    acting: Acting | None
    service: str
    operation: str
    question: Question


@dataclass(frozen=True, slots=True)
class Call:
    """One call with its parameters, for those who collect them with `collecting`."""

    role: str | None
    service: str
    operation: str
    region: str
    params: Mapping[str, Any]


_acting: ContextVar[Acting | None] = ContextVar("costwatch_acting_as", default=None)
_paused: ContextVar[bool] = ContextVar("costwatch_recorder_paused", default=False)
_lock = threading.RLock()
_asked: Counter[Asked] = Counter()
_listeners: list[Callable[[Call], None]] = []
_installed = False
_somebody_acts = 0
_OF_STEP_FUNCTIONS = ("(_exec_and_notify)", "(_execution_logic)", "(eval)")
"""How Python names threads: by what they run."""


def install() -> None:
    """Start recording. Does nothing when it already does.

    Clients made before are not recorded, so call it before the first one.
    """
    global _installed  # noqa: PLW0603 -- botocore's list of handlers is as global
    if _installed:
        return
    _installed = True
    botocore.handlers.BUILTIN_HANDLERS.append((_EVENT, _on_call))
    _watch_signed_calls()
    default = boto3.DEFAULT_SESSION
    if default is not None:
        _register(default._session.get_component("event_emitter"))


def install_if_asked() -> None:
    """For a program's start: record when COSTWATCH_RECORD_CALLS names a file."""
    if os.environ.get(ENV_FILE):
        install()


def _watch_signed_calls() -> None:
    """The door makes no client, so it has no handlers either."""
    call = SignedCalls.call

    def recorded(self: SignedCalls, service: str, target: str, parameters: Mapping[str, Any], **rest: Any) -> Any:
        _saw(service, target.partition(".")[2], self.region, parameters)
        return call(self, service, target, parameters, **rest)

    SignedCalls.call = recorded  # type: ignore[method-assign]


def _register(events: BaseEventHooks) -> None:
    events.register(_EVENT, _on_call, unique_id="costwatch-recorder")


@contextmanager
def acting_as(
    role: str | None,
    *,
    policy: Policy | Mapping[str, Any] | None = None,
    settings: AnySettings | Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Calls made inside are made by one of ROLES; None: by nobody, such as a fake's own doings.

    `policy`: what the function decides by, as Policy, as policy.json or as its body. `settings`: its settings or
    environment. Raises ValueError for an unknown role.
    """
    global _somebody_acts  # noqa: PLW0603 -- counts over all threads
    if role is not None and role not in ROLES:
        raise ValueError(f"{role!r} is none of {', '.join(ROLES)}")
    pairs = settings.to_env() if isinstance(settings, AnySettings) else dict(settings or {})
    pairs = {name: value for name, value in pairs.items() if name.startswith("COSTWATCH_")}
    acting = role and Acting(role, _canonical(policy), tuple(sorted(pairs.items())))
    token = _acting.set(acting or None)
    with _lock:
        _somebody_acts += bool(role)
    try:
        yield
    finally:
        _acting.reset(token)
        with _lock:
            _somebody_acts -= bool(role)


@contextmanager
def paused() -> Iterator[None]:
    """Record nothing that is done inside: for a sabotage that is meant to do what no role may."""
    token = _paused.set(True)
    try:
        yield
    finally:
        _paused.reset(token)


@contextmanager
def collecting(*, roles: tuple[str | None, ...] = (DEADMAN,)) -> Iterator[list[Call]]:
    """Collect the calls made by `roles`, in order and with their parameters."""
    calls: list[Call] = []

    def listen(call: Call) -> None:
        if call.role in roles:
            calls.append(call)

    _listeners.append(listen)
    try:
        yield calls
    finally:
        _listeners.remove(listen)


def asked() -> Counter[Asked]:
    """Everything recorded so far: by this process, and by all others into the file."""
    with _lock:
        total = Counter(_asked)
    file = os.environ.get(ENV_FILE)
    if file and Path(file).exists():
        for line in Path(file).read_text(encoding="utf-8").splitlines():
            one = _from_json(json.loads(line))
            total[one] = max(total[one], 1)
    return total


def reset() -> None:
    """Forget what this process recorded; the file is left alone."""
    with _lock:
        _asked.clear()


def _on_call(params: Any, model: Any, context: Mapping[str, Any] | None = None, **_: Any) -> None:
    _saw(model.service_model.service_name, model.name, str((context or {}).get("client_region") or ""), params)


def _saw(service: str, operation: str, region: str, params: Mapping[str, Any]) -> None:
    if _paused.get():
        return
    acting = _acting.get()
    for listen in _listeners:
        listen(Call(acting.role if acting else None, service, operation, region, dict(params)))
    stray = acting is None and bool(_somebody_acts) and _is_ours(threading.current_thread())
    if acting is None and not stray:
        return
    quiet = _paused.set(True)  # what `describe` asks an endpoint is nobody's call
    try:
        account = acting.account if acting else _DEFAULT_ACCOUNT
        found = questions(service, operation, params, account=account, region=region, describe=describe)
    except Exception:  # noqa: BLE001 -- looking must not disturb the call; what could not be read stays unjudged, which fails
        found = [Question(f"{service}:{operation}", "*", (), unmapped=True)]
    finally:
        _paused.reset(quiet)
    for question in found:
        _remember(Asked(acting, service, operation, question))


def _is_ours(thread: threading.Thread) -> bool:
    """A thread beside the main one, but for those of moto's state machines: what they call, Step Functions calls."""
    return thread is not threading.main_thread() and not thread.name.endswith(_OF_STEP_FUNCTIONS)


def _remember(one: Asked) -> None:
    with _lock:
        _asked[one] += 1
        first = _asked[one] == 1
    file = os.environ.get(ENV_FILE)
    if file and first:
        line = json.dumps(asdict(one), ensure_ascii=True) + "\n"
        # One write to a file opened for appending: lines of several processes do not mix, and os._exit loses nothing.
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def _from_json(body: Mapping[str, Any]) -> Asked:
    acting = body["acting"]
    question = body["question"]
    return Asked(
        acting=acting and Acting(acting["role"], acting["policy"], _as_pairs(acting["settings"])),
        service=body["service"],
        operation=body["operation"],
        question=Question(**{**question, "context": _as_pairs(question["context"])}),
    )


def _as_pairs(listed: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in listed)


def _canonical(policy: Policy | Mapping[str, Any] | None) -> str:
    """Only what permissions are made of, so that equal permissions are equal text."""
    if policy is None:
        return ""
    if isinstance(policy, Policy):
        body: dict[str, Any] = {
            "mode": policy.mode.value,
            "regions": list(policy.regions),
            "protect": [
                {"tags": {k: list(v) for k, v in rule.tags.items()}, "asg": rule.asg} for rule in policy.protect
            ],
            "selectors": [
                {
                    "name": selector.name,
                    "mode": selector.mode.value,
                    "service": selector.service.value,
                    "tags": {key: list(values) for key, values in selector.tags.items()},
                    "types": list(selector.types),
                    "purchase": selector.purchase.value if selector.purchase else None,
                    "action": selector.action.value,
                    "at_min_size": selector.at_min_size.value,
                }
                for selector in policy.selectors
            ],
        }
        if policy.res.models:
            groups = [{"group": model.group} for model in policy.res.models]
            body["res"] = {"mode": policy.res.mode.value, "auto_approve": policy.res.auto_approve, "models": groups}
    else:
        whole = policy.get("policy", policy)
        body = {key: whole[key] for key in ("mode", "regions", "protect")}
        parts = ("name", "mode", "service", "tags", "types", "purchase", "action", "at_min_size")
        body["selectors"] = [{part: selector[part] for part in parts} for selector in whole["selectors"]]
        if res := whole.get("res"):
            groups = [{"group": model["group"]} for model in res["models"]]
            body["res"] = {"mode": res["mode"], "auto_approve": res["auto_approve"], "models": groups}
    return json.dumps(body, sort_keys=True)
