"""The services of which a sweep asks one thing: who am I, where is the ledger, take this message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from xml.sax.saxutils import escape

from bench.endpoint.errors import Refused
from bench.endpoint.fleet import ACCOUNT, REGION
from costwatch import __version__, names

LEDGER_TABLE: Final = "costwatch-ledger"
ALERTS_TOPIC_ARN: Final = f"arn:aws:sns:{REGION}:{ACCOUNT}:costwatch-alerts"
REFUSED_QUEUE_URL: Final = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/costwatch-refused"
SLACK_SIGNING_SECRET: Final = "8f742231b10e8888abcd99yyyzzz85a5"

_DEPLOYMENT: Final = {
    "table": LEDGER_TABLE,
    "function": "costwatch-deadman",
    "refused_queue_url": REFUSED_QUEUE_URL,
    "alerts_topic_arn": ALERTS_TOPIC_ARN,
    "policy_digest": "",
    "config_commit": "",
    "version": __version__,
    "regions": [REGION],
}
_QUERY_ANSWERS: Final = {
    ("sts", "GetCallerIdentity"): (
        f"<Arn>arn:aws:sts::{ACCOUNT}:assumed-role/bench/bench</Arn><UserId>AROAEXAMPLE:bench</UserId>"
        f"<Account>{ACCOUNT}</Account>"
    ),
    ("sns", "ListSubscriptionsByTopic"): (
        f"<Subscriptions><member><TopicArn>{ALERTS_TOPIC_ARN}</TopicArn><Protocol>email</Protocol>"
        f"<SubscriptionArn>{ALERTS_TOPIC_ARN}:1</SubscriptionArn><Owner>{ACCOUNT}</Owner>"
        "<Endpoint>ml-platform@example.com</Endpoint></member></Subscriptions>"
    ),
    ("sns", "Publish"): "<MessageId>94f20ce6-13c5-43a0-9a9e-example</MessageId>",
}
_NAMESPACES: Final = {
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
    "sns": "https://sns.amazonaws.com/doc/2010-03-31/",
}
_REQUEST: Final = "<ResponseMetadata><RequestId>8f7724cf-496f-496e-8fe3-example</RequestId></ResponseMetadata>"


def query_answer(service: str, operation: str) -> bytes:
    """STS and SNS, query protocol. Raises Refused."""
    content = _QUERY_ANSWERS.get((service, operation))
    if content is None:
        raise Refused("InvalidAction", f"{service}:{operation} is not known here")
    result = f"<{operation}Result>{content}</{operation}Result>"
    namespace = _NAMESPACES[service]
    return f'<{operation}Response xmlns="{namespace}">{result}{_REQUEST}</{operation}Response>'.encode()


def query_error_document(error: Refused) -> bytes:
    """As every query service but EC2 writes it."""
    content = f"<Type>Sender</Type><Code>{error.code}</Code><Message>{escape(str(error))}</Message>"
    return f"<ErrorResponse><Error>{content}</Error></ErrorResponse>".encode()


def json_answer(service: str, operation: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """SSM and EventBridge. Raises Refused."""
    match service, operation:
        case "ssm", "GetParameter":
            known = {
                names.DEPLOYMENT_PARAMETER: json.dumps(_DEPLOYMENT),
                names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER: SLACK_SIGNING_SECRET,
            }
            if body["Name"] not in known:
                raise Refused("ParameterNotFound", f"{body['Name']} is not known here")
            return {"Parameter": {"Name": body["Name"], "Type": "String", "Value": known[body["Name"]], "Version": 1}}
        case "events", "PutEvents":
            return {"FailedEntryCount": 0, "Entries": [{"EventId": str(n)} for n, _ in enumerate(body["Entries"])]}
    raise Refused("UnknownOperationException", f"{service}:{operation} is not known here")
