"""Ledger rows to table items and back: times as fixed-width UTC text, money as Decimal, durations as seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from costwatch.adapters.cost_codec import forecast_from_item, forecast_to_item
from costwatch.core import times
from costwatch.core.census import Census
from costwatch.core.consent import Consent, Word
from costwatch.core.exemptions import Exemption
from costwatch.core.group import Capacity
from costwatch.core.heartbeats import Heard
from costwatch.core.lowering import Lowering
from costwatch.core.messages import Audience, Message, MessageKind
from costwatch.core.model import RunId
from costwatch.core.policy import Action, Mode
from costwatch.core.record import (
    Entry,
    Extension,
    Finishing,
    Hold,
    MemberSeen,
    Notice,
    Pause,
    RunRecord,
    Status,
    StopAttempt,
    StopOrder,
    Transition,
)
from costwatch.core.selection import HoldCode

Body = Mapping[str, Any]
_T = TypeVar("_T")


def record_to_item(r: RunRecord) -> dict[str, Any]:
    """Without keys and stamp. Absent values are left out."""
    return _compact(
        {
            "run_id": str(r.run_id),
            "origin": r.origin,
            "version": r.version,
            "status": r.status.value,
            "mode": r.mode.value,
            "selector": r.selector,
            "start": _text(r.start),
            "deadline": _text(r.deadline),
            "first_seen_at": _text(r.first_seen_at),
            "name": r.name,
            "owner": r.owner,
            "team": r.team,
            "members": [_seen_to_item(m) for m in r.members],
            "capacity": [[kind, count] for kind, count in r.capacity],
            "clock_evidence": r.clock_evidence,
            "hourly_rate_usd": r.hourly_rate_usd,
            "price_note": r.price_note,
            "notice": r.notice
            and _compact(
                {
                    "id": r.notice.id,
                    "mode": r.notice.mode.value,
                    "deadline": _text(r.notice.deadline),
                    "requested_at": _text(r.notice.requested_at),
                    "owner": r.notice.owner,
                    "members": [_seen_to_item(m) for m in r.notice.members],
                    "accepted_at": _text(r.notice.accepted_at),
                    "via": r.notice.via,
                    "stops_at": _text(r.notice.stops_at),
                    "action": r.notice.action and r.notice.action.value,
                    "silent": r.notice.silent,
                    "money": r.notice.money or None,
                }
            ),
            "hold": r.hold
            and {
                "id": r.hold.id,
                "code": r.hold.code.value,
                "reason": r.hold.reason,
                "since": _text(r.hold.since),
                "key": r.hold.key,
            },
            "released_key": r.released_key,
            "capped_key": r.capped_key,
            "capped_for_silence": r.capped_for_silence or None,
            "extensions": [
                {"by": e.by, "at": _text(e.at), "seconds": int(e.duration.total_seconds()), "until": _text(e.until)}
                for e in r.extensions
            ],
            "finishing": r.finishing
            and {
                "at": _text(r.finishing.at),
                "expected_at": _text(r.finishing.expected_at),
                "until": _text(r.finishing.until),
            },
            "heard": r.heard and _heard_to_item(r.heard),
            "stalled_told": _text(r.stalled_told),
            # Without `apart`: from before exemptions had rows of their own, so this is the only place where it stands.
            "exemption": r.exemption and {**exemption_to_item(r.exemption), "apart": not r.exemption.of_record},
            "exempt_tags": [[value, _text(first_seen)] for value, first_seen in r.exempt_tags],
            "malformed_told": list(r.malformed_told),
            "order": r.order
            and {
                "by": r.order.by,
                "at": _text(r.order.at),
                "reason": r.order.reason,
                "members": list(r.order.members),
            },
            "stop": r.stop and stop_to_item(r.stop),
            "would_stop_at": _text(r.would_stop_at),
            "would_stop_spent_usd": r.would_stop_spent_usd,
            "restarts": r.restarts,
            "lowered_since": _text(r.lowered_since),
            "rate_since": _text(r.rate_since),
            "spent_before_usd": r.spent_before_usd,
            "project": r.project or None,
            "model": r.model or None,
            "forecast": r.forecast and forecast_to_item(r.forecast),
            "time_limit": _text(r.time_limit),
            "consent": r.consent and _consent_to_item(r.consent),
        }
    )


def record_from_item(item: Body) -> RunRecord:
    """The inverse of `record_to_item`; unknown attributes (keys, stamp) are ignored."""
    return RunRecord(
        run_id=RunId.parse(item["run_id"]),
        origin=_shared(item["origin"]),
        version=int(item["version"]),
        status=Status(item["status"]),
        mode=Mode(item["mode"]),
        selector=_shared(item["selector"]),
        start=_time(item, "start"),
        deadline=_time(item, "deadline"),
        first_seen_at=times.from_text(item["first_seen_at"]),
        name=item["name"],
        owner=_shared(item["owner"]),
        team=_shared(item["team"]),
        members=_members_seen(item["members"]),
        capacity=tuple((_shared(kind), int(count)) for kind, count in item["capacity"]),
        clock_evidence=item["clock_evidence"],
        hourly_rate_usd=item.get("hourly_rate_usd"),
        price_note=_shared(item["price_note"]),
        notice=_optional(item, "notice", _notice),
        hold=_optional(item, "hold", _hold),
        released_key=item["released_key"],
        capped_key=item["capped_key"],
        capped_for_silence=bool(item.get("capped_for_silence")),
        extensions=tuple(
            Extension(
                e["by"], times.from_text(e["at"]), timedelta(seconds=int(e["seconds"])), times.from_text(e["until"])
            )
            for e in item["extensions"]
        ),
        finishing=_optional(
            item,
            "finishing",
            lambda f: Finishing(
                times.from_text(f["at"]), times.from_text(f["expected_at"]), times.from_text(f["until"])
            ),
        ),
        heard=_optional(item, "heard", _heard),
        stalled_told=_time(item, "stalled_told"),
        exemption=_optional(
            item, "exemption", lambda e: replace(exemption_from_item(e), of_record=not e.get("apart", False))
        ),
        exempt_tags=tuple((value, times.from_text(first_seen)) for value, first_seen in item["exempt_tags"]),
        malformed_told=tuple(item["malformed_told"]),
        order=_optional(item, "order", _order),
        stop=_optional(item, "stop", _stop),
        would_stop_at=_time(item, "would_stop_at"),
        would_stop_spent_usd=item.get("would_stop_spent_usd"),
        restarts=int(item["restarts"]),
        lowered_since=_time(item, "lowered_since"),
        rate_since=_time(item, "rate_since"),
        spent_before_usd=item.get("spent_before_usd"),
        project=item.get("project", ""),
        model=item.get("model", ""),
        forecast=_optional(item, "forecast", forecast_from_item),
        time_limit=_time(item, "time_limit"),
        consent=_optional(item, "consent", _consent),
    )


def exemption_to_item(exemption: Exemption) -> dict[str, Any]:
    """As a record repeats it, and as it stands in rows of its own."""
    return {
        "by": exemption.by,
        "at": times.to_text(exemption.at),
        "until": times.to_text(exemption.until),
        "reason": exemption.reason,
    }


def exemption_from_item(item: Body) -> Exemption:
    return Exemption(item["by"], times.from_text(item["at"]), times.from_text(item["until"]), item["reason"])


def stop_to_item(stop: StopAttempt) -> dict[str, Any]:
    """A claim as the record and the claim row both keep it."""
    return _compact(
        {
            "key": stop.key,
            "owner": stop.owner,
            "attempt": stop.attempt,
            "lease_until": _text(stop.lease_until),
            "members": list(stop.members),
            "spot_requests": list(stop.spot_requests),
            "requested_at": _text(stop.requested_at),
            "action": stop.action.value,
            "counted": list(stop.counted),
            "gone_since": _text(stop.gone_since),
            "silent_since": _text(stop.silent_since),
            "money": stop.money or None,
            "begun_at": _text(stop.begun_at),
        }
    )


def entry_to_item(entry: Entry) -> dict[str, Any]:
    return {
        "at": times.to_text(entry.at),
        "transition": entry.transition.value,
        "reason": entry.reason,
        "rule": entry.rule,
        "actor": entry.actor,
        "mode": entry.mode,
        "evidence": dict(entry.evidence),
    }


def entry_from_item(item: Body) -> Entry:
    return Entry(
        at=times.from_text(item["at"]),
        transition=Transition(item["transition"]),
        reason=item["reason"],
        rule=item["rule"],
        actor=item["actor"],
        mode=item["mode"],
        evidence=tuple(sorted(item["evidence"].items())),
    )


def lowering_to_item(lowered: Lowering) -> dict[str, Any]:
    return {
        "run_id": str(lowered.run_id),
        "before": [lowered.before.min_size, lowered.before.desired],
        "after": [lowered.after.min_size, lowered.after.desired],
        "at": times.to_text(lowered.at),
        **({"back": [lowered.back.min_size, lowered.back.desired]} if lowered.back is not None else {}),
        **({"settled": True} if lowered.settled else {}),
        **({"left": True} if lowered.left else {}),
    }


def lowering_from_item(item: Body) -> Lowering:
    numbers = {name: Capacity(*(int(n) for n in item[name])) for name in ("before", "after", "back") if name in item}
    back = numbers.get("back")
    run_id, at = RunId.parse(item["run_id"]), times.from_text(item["at"])
    settled, left = bool(item.get("settled")), bool(item.get("left"))
    return Lowering(run_id, numbers["before"], numbers["after"], at, back, settled, left)


def message_to_item(message: Message) -> dict[str, Any]:
    return {"kind": message.kind.value, "audience": message.audience.value, "facts": dict(message.facts)}


def message_from_item(message_id: str, item: Body) -> Message:
    """Raises like any reading of a row also for facts without which it could not be sent, or sent and not recorded."""
    message = Message(message_id, MessageKind(item["kind"]), Audience(item["audience"]), dict(item["facts"]))
    if message.kind is MessageKind.WARNING:
        needed = message.facts["notice"], int(message.facts["min_notice_seconds"])
        if not all(needed):
            raise ValueError("a warning without its notice")
        times.from_text(message.facts["deadline"])
    if message.kind is MessageKind.WARNING or "run" in message.facts:
        RunId.parse(message.facts["run"])
    return message


def pause_to_item(pause: Pause) -> dict[str, Any]:
    return {
        "version": pause.version,
        "until": times.to_text(pause.until),
        "by": pause.by,
        "reason": pause.reason,
        "since": times.to_text(pause.since),
    }


def pause_from_item(item: Body) -> Pause:
    return Pause(
        version=int(item["version"]),
        until=times.from_text(item["until"]),
        by=item["by"],
        reason=item["reason"],
        since=times.from_text(item["since"]),
    )


def census_to_item(census: Census) -> dict[str, Any]:
    return {"at": times.to_text(census.at), "instances": census.instances, "runs_of": dict(census.runs_of)}


def census_from_item(item: Body) -> Census:
    runs_of = {name: int(count) for name, count in item["runs_of"].items()}
    return Census(times.from_text(item["at"]), int(item["instances"]), runs_of)


def _order(body: Body) -> StopOrder:
    # Without members: from before orders named them, so it is for no run that is there.
    return StopOrder(body["by"], times.from_text(body["at"]), body["reason"], tuple(body.get("members", ())))


def _notice(body: Body) -> Notice:
    return Notice(
        id=body["id"],
        mode=Mode(body["mode"]),
        deadline=times.from_text(body["deadline"]),
        requested_at=times.from_text(body["requested_at"]),
        # Without them: from before notices named whom they were for, so this one is given anew.
        owner=_shared(body.get("owner", "")),
        members=_members_seen(body.get("members", ())),
        accepted_at=_time(body, "accepted_at"),
        via=_shared(body.get("via", "")),
        stops_at=_time(body, "stops_at"),
        action=Action(body["action"]) if body.get("action") else None,
        silent=bool(body.get("silent", False)),
        money=bool(body.get("money", False)),
    )


def _seen_to_item(member: MemberSeen) -> dict[str, Any]:
    return _compact({"id": member.id, "running_since": _text(member.running_since)})


def _members_seen(items: Iterable[Body]) -> tuple[MemberSeen, ...]:
    return tuple(_member_seen(item["id"], item.get("running_since")) for item in items)


@lru_cache(maxsize=256)
def _member_seen(name: str, since: str | None) -> MemberSeen:
    """One for the run and for its notice."""
    return MemberSeen(name, times.from_text(since) if since else None)


def _heard_to_item(heard: Heard) -> dict[str, Any]:
    return {
        "last_at": _text(heard.last_at),
        "longest_gap_seconds": Decimal(str(heard.longest_gap.total_seconds())),
        "quiet_until": _text(heard.quiet_until),
        "done": heard.done,
    }


def _heard(body: Body) -> Heard:
    return Heard(
        times.from_text(body["last_at"]),
        timedelta(microseconds=round(Decimal(body["longest_gap_seconds"]) * 1_000_000)),
        _time(body, "quiet_until"),
        bool(body["done"]),
    )


def _consent_to_item(consent: Consent) -> dict[str, Any]:
    return _compact(
        {
            "word": consent.word.value,
            "at": times.to_text(consent.at),
            "approval_id": consent.approval_id or None,
            "by": consent.by or None,
            "cap_seconds": int(consent.cap.total_seconds()) if consent.cap is not None else None,
            "granted_usd": consent.granted_usd,
            "looked_for": consent.looked_for or None,
            "nearly_told": consent.nearly_told or None,
            "used_up_told": consent.used_up_told or None,
            "mode": consent.mode.value,
        }
    )


def _consent(body: Body) -> Consent:
    return Consent(
        word=Word(body["word"]),
        at=times.from_text(body["at"]),
        approval_id=body.get("approval_id", ""),
        by=_shared(body.get("by", "")),
        cap=timedelta(seconds=int(body["cap_seconds"])) if body.get("cap_seconds") is not None else None,
        granted_usd=body.get("granted_usd"),
        looked_for=body.get("looked_for", ""),
        nearly_told=bool(body.get("nearly_told")),
        used_up_told=bool(body.get("used_up_told")),
        mode=Mode(body.get("mode", Mode.ENFORCE)),
    )


def _hold(body: Body) -> Hold:
    return Hold(body["id"], HoldCode(body["code"]), body["reason"], times.from_text(body["since"]), body["key"])


def _stop(body: Body) -> StopAttempt:
    return StopAttempt(
        key=body["key"],
        owner=body["owner"],
        attempt=int(body["attempt"]),
        lease_until=times.from_text(body["lease_until"]),
        members=tuple(body["members"]),
        spot_requests=tuple(body["spot_requests"]),
        requested_at=_time(body, "requested_at"),
        action=Action(body["action"]),
        counted=tuple(body["counted"]),
        gone_since=_time(body, "gone_since"),
        silent_since=_time(body, "silent_since"),
        money=body.get("money", ""),
        begun_at=_time(body, "begun_at"),
    )


@lru_cache(maxsize=256)
def _shared(text: str) -> str:
    """One string for what many rows say alike: a sweep has all open records in memory."""
    return text


def _optional(item: Body, name: str, read: Callable[[Body], _T]) -> _T | None:
    return read(item[name]) if item.get(name) else None


def _time(body: Body, name: str) -> datetime | None:
    return times.from_text(body[name]) if body.get(name) else None


def _text(moment: datetime | None) -> str | None:
    return times.to_text(moment) if moment is not None else None


def _compact(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}
