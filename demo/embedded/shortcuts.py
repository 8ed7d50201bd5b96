"""The same answers with less work: where moto spends most of its time on what a ledger does all day, or on a fleet."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import moto.backends as moto_backends
from moto.core.model import StructureShape
from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table
from moto.ec2.exceptions import InvalidInstanceIdError
from moto.ec2.models.instances import Instance, InstanceBackend

from demo.embedded.patching import Patch

_moto_structure = BaseJSONSerializer._serialize_type_structure
_moto_transact = DynamoDBBackend.transact_write_items

_MODULES = tuple(moto_backends.list_of_moto_modules())  # moto lists its directory anew for every request


# --- attribute values -----------------------------------------------------------------------------------


def _wire(value: Any) -> Any:
    """An attribute value as it goes over the wire; None where moto must do it itself (binary)."""
    if isinstance(value, DynamoType):
        value = {value.type: value.value}
    if not isinstance(value, Mapping) or len(value) != 1:
        return None
    kind, inner = next(iter(value.items()))
    if kind in ("S", "N", "BOOL", "NULL", "SS", "NS"):
        return {kind: inner}
    if kind == "M":
        members = {name: _wire(each) for name, each in inner.items()}
        return None if None in members.values() else {kind: members}
    if kind == "L":
        items = [_wire(each) for each in inner]
        return None if None in items else {kind: items}
    return None


def _structure(serializer: Any, serialized: Any, value: Any, shape: StructureShape, key: str) -> None:
    """An attribute value is in its wire form already; moto asks it for each of ten possible members, at every depth."""
    wired = _wire(value) if key and shape.name == "AttributeValue" else None
    if wired is None:
        _moto_structure(serializer, serialized, value, shape, key)
    else:
        serialized[key] = wired


# --- transactions ---------------------------------------------------------------------------------------

_updates: ContextVar[tuple[Mapping[str, Any], ...] | None] = ContextVar("embedded_updates", default=None)


def _transact(backend: Any, transact_items: list[dict[str, Any]]) -> None:
    token = _updates.set(tuple(operation["Update"] for operation in transact_items if "Update" in operation))
    try:
        _moto_transact(backend, transact_items)
    finally:
        _updates.reset(token)


def _copy_table(table: Any, memo: dict[int, Any]) -> Any:
    """moto copies the whole table before every transaction, in case it must roll back.

    Puts and deletes replace an item as a whole, so the copy may share them with the table; an update changes its item
    in place, so that one is copied. Outside of a transaction, and with a stream, everything is copied as before.
    """
    updates = _updates.get()
    copied = table.__class__.__new__(table.__class__)
    memo[id(table)] = copied
    if updates is None or table.stream_shard is not None:
        copied.__dict__.update({name: copy.deepcopy(value, memo) for name, value in table.__dict__.items()})
        return copied
    copied.__dict__.update(table.__dict__)
    ranged = table.range_key_attr is not None
    copied.items = defaultdict(dict, {key: dict(found) if ranged else found for key, found in table.items.items()})
    for update in updates:
        if update["TableName"] != table.name:
            continue
        where = copied.items
        last = DynamoType(update["Key"][table.hash_key_attr])
        if ranged:
            where, last = where.get(last, {}), DynamoType(update["Key"][table.range_key_attr])
        if last in where:
            where[last] = copy.deepcopy(where[last])
    return copied


# --- instances ------------------------------------------------------------------------------------------


def _get_instance(backend: InstanceBackend, instance_id: str) -> Instance:
    """moto copies every reservation to find one instance, and looks for each one that it launches; the last are asked
    for most."""
    for reservation in reversed(backend.reservations.values()):
        for instance in reservation.instances:
            if instance.id == instance_id:
                return instance
    raise InvalidInstanceIdError(instance_id)


def patches() -> list[Patch]:
    """What `install` applies."""
    return [
        Patch(moto_backends, "list_of_moto_modules", lambda: _MODULES),
        Patch(BaseJSONSerializer, "_serialize_type_structure", _structure),
        Patch(DynamoDBBackend, "transact_write_items", _transact),
        Patch(Table, "__deepcopy__", _copy_table),
        Patch(InstanceBackend, "get_instance", _get_instance),
    ]
