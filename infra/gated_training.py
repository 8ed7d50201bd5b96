"""The state machine `GatedTraining`: forecast, gate, CreateTrainingJob, wait, outcome."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from infra import gated_training_asl
from infra.functions import LOG_RETENTION, WatchdogFunction
from infra.nag import acknowledge, acknowledge_resource_wildcards


class GatedTraining(Construct):
    """Only where `roles` are configured: it hands those to jobs, and no other."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        gate: WatchdogFunction,
        answer_within: timedelta,
        roles: Sequence[str],
        region: str,
    ) -> None:
        super().__init__(scope, construct_id)
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
            description="Costwatch state machine GatedTraining",
        )
        jobs = f"arn:{Aws.PARTITION}:sagemaker:{region}:{Aws.ACCOUNT_ID}:training-job/*"
        role.add_to_policy(
            iam.PolicyStatement(sid="Gate", actions=["lambda:InvokeFunction"], resources=[gate.function.function_arn])
        )
        role.add_to_policy(
            iam.PolicyStatement(
                sid="Jobs",
                # A job with tags cannot be created without AddTags.
                actions=["sagemaker:AddTags", "sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob"],
                resources=[jobs],
            )
        )
        role.add_to_policy(
            iam.PolicyStatement(
                sid="RolesOfJobs",
                actions=["iam:PassRole"],
                resources=list(roles),
                conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
            )
        )
        acknowledge_resource_wildcards(
            role,
            [{"Resource": [jobs, "*"]}],
            "Names of jobs are chosen by those who start them; the delivery of logs has no resource level.",
        )
        asl = gated_training_asl.definition(
            function=gate.function.function_arn, answer_within=answer_within, partition=Aws.PARTITION
        )
        self.machine = stepfunctions.StateMachine(
            self,
            "Machine",
            comment=asl["Comment"],
            definition_body=stepfunctions.DefinitionBody.from_string(json.dumps(asl, indent=1)),
            role=role,
            logs=stepfunctions.LogOptions(
                destination=logs.LogGroup(
                    self,
                    "Logs",
                    retention=LOG_RETENTION,
                    removal_policy=RemovalPolicy.DESTROY,
                ),
                level=stepfunctions.LogLevel.ALL,
                include_execution_data=False,  # bodies of jobs hold environments and hyperparameters
            ),
        )
        acknowledge(
            self.machine,
            {"AwsSolutions-SF2": "The gate waits for people, and the job for hours: there is no latency to trace."},
        )
