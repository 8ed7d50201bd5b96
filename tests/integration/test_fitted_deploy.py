"""What `costwatch scan` fits to an account deploys as it is, observes, and could stop nothing.

It is deployed as `costwatch package` makes it: by CloudFormation alone, in an account without the CDK's bootstrap. The
end-to-end tests deploy by the CDK.
"""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

from costwatch import names
from tests.e2e.deploying import deploying_packaged

# tests/integration/test_scan.py sees the scan write this file.
FITTED = Path(__file__).parents[1] / "golden" / "scan_costwatch.yaml"


def test_the_fitted_configuration_is_packaged_and_deployed_and_its_first_sweep_observes(tmp_path: Path) -> None:
    config = tmp_path / "costwatch.yaml"
    shutil.copyfile(FITTED, config)
    with deploying_packaged(config, tmp_path) as stack:
        assert {*stack.template["Resources"]} <= {*stack.physical}
        buckets = [each["Name"] for each in stack.aws.client("s3").list_buckets()["Buckets"]]
        assert buckets == ["localhost-code"], "nothing of the CDK's is there"
        (made,) = stack.aws.client("cloudformation").describe_stacks()["Stacks"]
        assert (made["StackName"], made["StackStatus"]) == (names.STACK, "CREATE_COMPLETE")
        tags = {"Purpose": "ml-training"}
        late = stack.aws.fleet.instance(tags=tags, launched_at=stack.clock() - timedelta(hours=13))
        stack.tick()
        stack.clock.forward(hours=1)
        report = stack.tick().answer
        assert report["failures"] == []
        (seen,) = [run for run in report["runs"] if run["run"].endswith(late)]
        assert (seen["mode"], seen["verdict"]) == ("observe", "stop")
        state = stack.aws.client("ec2").describe_instances(InstanceIds=[late])
        assert state["Reservations"][0]["Instances"][0]["State"]["Name"] == "running"
        assert stack.aws.errors == []
