"""What `costwatch package` makes of each synthesized configuration: all of it, and nothing of the CDK's bootstrap."""

from __future__ import annotations

import json
from typing import Any

from costwatch.cli.assembly import read_assembly, template_text
from tests.support.synth import Synthesized


def test_only_where_the_code_lies_is_another_and_the_bootstrap_is_gone(assembly: Synthesized) -> None:
    packaged = read_assembly(assembly.directory)
    text = template_text(packaged, bucket="")
    assert len(text.encode()) < 1_000_000, "what CloudFormation takes from a bucket"
    made = json.loads(text)
    assert without_code(made["Resources"]) == without_code(assembly.template["Resources"])
    functions = [each for each in made["Resources"].values() if each["Type"] == "AWS::Lambda::Function"]
    assert len(functions) == len(assembly.functions)
    code = {"S3Bucket": {"Ref": "AssetBucket"}, "S3Key": f"costwatch/{packaged.code_hash}.zip"}
    assert [each["Properties"]["Code"] for each in functions] == [code] * len(functions)
    assert {*made["Parameters"]} - {*assembly.template["Parameters"]} == {"AssetBucket"}
    for left in ("cdk-hnb659fds", "BootstrapVersion", "/cdk-bootstrap/"):
        assert left not in json.dumps(made)
    assert made.get("Outputs") == assembly.template.get("Outputs")
    assert packaged.region == "us-east-1"


def without_code(resources: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {**each, "Properties": {k: v for k, v in each.get("Properties", {}).items() if k != "Code"}}
        for name, each in resources.items()
    }
