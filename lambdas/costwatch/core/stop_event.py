"""The event that tells pipelines a run's end is final: `Run Stopped By Costwatch`."""

from __future__ import annotations

import json
from datetime import datetime

from costwatch.core import times
from costwatch.core.messages import Audience, Message, MessageKind
from costwatch.core.record import RunRecord


def of(record: RunRecord, *, seen: str, at: datetime, version: int) -> Message:
    """The event as an outbox row, so that a bus that fails delays it and loses nothing.

    It is published at least once per stop: `stop_key` tells repeats apart. Money is text in USD, null when unknown.
    """
    spent = record.spent_usd(at)
    order = record.order_of(record.stop.key) if record.stop else None
    detail = {
        "run": str(record.run_id),
        "account": record.run_id.account,
        "region": record.run_id.region,
        "kind": record.run_id.kind.value,
        "name": record.name,
        "members": list(record.stop.members if record.stop else record.member_ids),
        "stop_key": record.stop.key if record.stop else "",
        "asked_by": order.by if order is not None else None,
        "action": record.stop.action.value if record.stop else "",
        "final": True,
        "stopped_at": times.to_key(at),
        "reason": seen,
        "selector": record.selector,
        "owner": record.owner,
        "team": record.team,
        "spent_usd": f"{spent:.2f}" if spent is not None else None,
        "hourly_rate_usd": str(record.hourly_rate_usd) if record.hourly_rate_usd is not None else None,
    }
    # The time is part of the id: versions start again with every episode of a run.
    message_id = f"{record.run_id}#{times.to_key(at)}#{version:06d}#{MessageKind.RUN_STOPPED.value}"
    facts = {"run": str(record.run_id), "at": times.to_text(at), "event": json.dumps(detail, sort_keys=True)}
    return Message(message_id, MessageKind.RUN_STOPPED, Audience.BUS, facts)
