"""What the guides use of AWS's command line: SERVICE OPERATION --member value, file://, --query PATH, --output."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import boto3


def main(service: str, operation: str, *words: str) -> None:
    options = {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}
    query, output = options.pop("query", ""), options.pop("output", "json")
    client = boto3.client(service)  # type: ignore[call-overload]
    method = operation.replace("-", "_")
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method]).input_shape
    members = {member.lower(): member for member in shape.members}
    given = {members[name.replace("-", "")]: _read(value) for name, value in options.items()}
    found = getattr(client, method)(**given)
    for name in filter(None, query.split(".")):
        found = found[name]
    sys.stdout.write(found if output == "text" else json.dumps(found, default=str))


def _read(value: str) -> str:
    return Path(value.removeprefix("file://")).read_text("utf-8") if value.startswith("file://") else value


if __name__ == "__main__":
    main(*sys.argv[1:])
