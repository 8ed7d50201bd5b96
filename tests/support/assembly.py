"""What `make synth` leaves behind, in small: a stack of two functions that share one asset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from costwatch import names
from costwatch.config.loader import load

HASH: Final = "8dfe4f95a5cd"
CDKS: Final = "cdk-hnb659fds-assets-${AWS::AccountId}-us-east-1"
CODE: Final = {"S3Bucket": {"Fn::Sub": CDKS}, "S3Key": f"{HASH}.zip"}
ROLE: Final = {"Type": "AWS::IAM::Role", "Properties": {"Path": "/"}}
TEMPLATE: Final = f"{names.STACK}.template.json"


def template(**resources: Any) -> dict[str, Any]:
    """The stack's own, with `resources` beside."""
    function = {"Type": "AWS::Lambda::Function", "Properties": {"Code": CODE, "Handler": "a.b"}}
    return {
        "Resources": {"Role": ROLE, "Deadman": function, "Hints": function, **resources},
        "Parameters": {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>"}},
        "Rules": {"CheckBootstrapVersion": {"Assertions": []}},
    }


def write(assembly: Path, config: Path) -> None:
    """Into a directory that is not there yet, as synthesized from `config`."""
    code = assembly / f"asset.{HASH}"
    (code / "costwatch").mkdir(parents=True)
    (code / names.POLICY_FILE).write_text(json.dumps(load(config).policy_document), "utf-8")
    (code / "costwatch" / "names.py").write_text("PROJECT = 'costwatch'\n", "utf-8")
    place = {"bucketName": CDKS, "objectKey": f"{HASH}.zip", "region": "us-east-1"}
    files = {
        HASH: {"source": {"path": code.name, "packaging": "zip"}, "destinations": {"here": place}},
        "t": {"source": {"path": TEMPLATE, "packaging": "file"}, "destinations": {"here": place}},
    }
    stack = {
        "type": "aws:cloudformation:stack",
        "environment": "aws://unknown-account/us-east-1",
        "properties": {"templateFile": TEMPLATE},
    }
    documents = {
        "manifest.json": {"artifacts": {names.STACK: stack}},
        f"{names.STACK}.assets.json": {"files": files},
        TEMPLATE: template(),
    }
    for name, document in documents.items():
        (assembly / name).write_text(json.dumps(document), "utf-8")
