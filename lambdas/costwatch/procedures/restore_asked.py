"""A named person's restore: the numbers of a group as they were before a stop. It stops and starts nothing itself."""

from __future__ import annotations

from typing import Any

from costwatch.core.lowering import restored_entry, restoring_entry, to_restore
from costwatch.core.model import RunId, RunKind
from costwatch.errors import RefusedError
from costwatch.procedures.ports import Watchdog


def restore_asked(w: Watchdog, run_id: RunId, *, by: str, reason: str) -> dict[str, Any]:
    """Put a group's minimum and desired capacity back; the group then launches what it wants.

    Who asks is recorded before the call, and the end of it after, so that whoever asks again after a crash ends it.
    Returns what came of it as a document. Raises RefusedError where there is nothing to put back, the group is gone, or
    somebody has changed its numbers since; AwsError where AWS refuses.
    """
    if run_id.kind is not RunKind.ASG:
        raise RefusedError(f"{run_id} is no Auto Scaling group: there are no numbers to put back")
    autoscaling = w.autoscaling(run_id.region)
    group = autoscaling.group(run_id.name)
    lowered = to_restore(w.ledger.lowering(run_id), group, w.ledger.record(run_id), run_id.name)
    changed = f"{run_id} was changed by others just now; nothing was put back: try again"
    if group is not None and group.capacity != lowered.before:
        if not w.ledger.restoring(lowered, restoring_entry(lowered, by=by, reason=reason, now=w.now())):
            raise RefusedError(changed)
        raised = group.capacity.min_size != lowered.before.min_size
        autoscaling.set_capacity(run_id.name, lowered.before, min_size=raised)
    if not w.ledger.restored(lowered, restored_entry(lowered, by=by, now=w.now())):
        raise RefusedError(changed)
    w.log("capacity restored", {"run": str(run_id), "capacity": str(lowered.before), "requested_by": by})
    return {
        "run": str(run_id),
        "restored": True,
        "min_size": lowered.before.min_size,
        "desired": lowered.before.desired,
    }
