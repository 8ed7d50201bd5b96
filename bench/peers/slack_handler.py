"""What takes a click as Slack's and AWS's own libraries are used: SignatureVerifier, and a boto3 client each."""

from __future__ import annotations

import base64
import json
import os
from functools import cache
from typing import Any
from urllib.parse import parse_qs

import boto3
from slack_sdk.signature import SignatureVerifier

_ssm = boto3.client("ssm")
_events = boto3.client("events")


@cache
def _verifier() -> SignatureVerifier:
    name = os.environ["COSTWATCH_SLACK_SIGNING_SECRET_PARAMETER"]
    return SignatureVerifier(_ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    del context
    body, headers = base64.b64decode(event["body"]).decode(), event["headers"]
    if not _verifier().is_valid_request(body, headers):
        return {"statusCode": 401, "body": "not verified"}
    payload = json.loads(parse_qs(body)["payload"][0])
    if payload["api_app_id"] != os.environ["COSTWATCH_SLACK_APP_ID"]:
        return {"statusCode": 403, "body": "not ours"}
    detail = {
        "body": body,
        "timestamp": headers["x-slack-request-timestamp"],
        "signature": headers["x-slack-signature"],
        "retry": headers.get("x-slack-retry-num", ""),
    }
    entry: Any = {"Source": "costwatch.slack", "DetailType": "Slack Interaction", "Detail": json.dumps(detail)}
    answer = _events.put_events(Entries=[entry])
    print(json.dumps({"level": "INFO", "message": "click taken"}))
    return {"statusCode": 503 if answer["FailedEntryCount"] else 200, "body": ""}
