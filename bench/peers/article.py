"""The script that articles about forgotten trainers show: list by tag, look at the age, terminate one by one.

Plain boto3 as most people write it: its usual page size, one paginator, no filter by launch time.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

import boto3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tag", default="Purpose=transient-ml-training")
    parser.add_argument("--hours", type=float, default=12)
    parser.add_argument("--terminate", action="store_true", help="else it only says which")
    arguments = parser.parse_args()
    key, _, value = arguments.tag.partition("=")
    limit = datetime.now(UTC) - timedelta(hours=arguments.hours)
    ec2 = boto3.client("ec2")
    old: list[str] = []
    pages = ec2.get_paginator("describe_instances").paginate(
        Filters=[{"Name": f"tag:{key}", "Values": [value]}, {"Name": "instance-state-name", "Values": ["running"]}]
    )
    for page in pages:
        for reservation in page["Reservations"]:
            for instance in reservation["Instances"]:
                if instance["LaunchTime"] < limit:
                    old.append(instance["InstanceId"])
    if arguments.terminate:
        for instance_id in old:
            ec2.terminate_instances(InstanceIds=[instance_id])
    print(len(old))


if __name__ == "__main__":
    main()
