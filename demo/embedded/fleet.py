"""Puts instances and training jobs of any age into the embedded AWS.

Everything here runs in the server's own process and writes moto's objects directly, since no API launches an instance
in the past. All times are aware; the last launch is set on the instance, the first on its primary network interface.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends
from moto.sagemaker.models import sagemaker_backends
from moto.sns.models import sns_backends

from demo.embedded import autoscaling_like_aws, ec2_like_aws, sagemaker_families, sagemaker_like_aws, sns_like_aws
from demo.embedded.dispatch import turn
from demo.embedded.world import World, current, naive_now, naive_utc

_IMAGE = "ami-0c05f7e0d2a5b9e11"
_TRAINING_ROLE = "arn:aws:iam::{account}:role/training"
_TRAINING_IMAGE = "763104351884.dkr.ecr.{region}.amazonaws.com/pytorch-training:2.5-gpu-py311"


class Fleet:
    """Seeds one account. Needs an installed world (`EmbeddedAws`, or `install` under mock_aws)."""

    def __init__(self, world: World | None = None, *, account_id: str = DEFAULT_ACCOUNT_ID, region: str = "us-east-1"):
        self._world = world or current()
        self._account = account_id
        self._region = region

    # --- EC2 -------------------------------------------------------------------------------------------

    def instance(
        self,
        *,
        type: str = "p4d.24xlarge",  # noqa: A002 - AWS's word for it
        region: str | None = None,
        az: str = "a",
        tags: Mapping[str, str] | None = None,
        launched_at: datetime | None = None,
        first_launched_at: datetime | None = None,
        spot: Literal["persistent", "one-time"] | None = None,
        request_tags: Mapping[str, str] | None = None,
        late_tags: Mapping[str, str] | None = None,
        capacity_block: bool = False,
        protected: bool = False,
        operator: str | None = None,
        name: str | None = None,
    ) -> str:
        """A running instance in a reservation of its own; returns its id.

        `az` is a letter or a whole zone name. `launched_at` is the last start and defaults to now on the world's clock,
        `first_launched_at` the first and defaults to the last. `tags` (and `name`, as the Name tag) belong to the
        launch, so a spot relaunch brings them back; `late_tags` were put on afterwards, so it does not. Tags that AWS
        itself sets (`aws:...`) are allowed. `operator` marks an instance that an AWS service manages.
        """
        region = region or self._region
        zone = region + az if len(az) == 1 else az
        launch_tags = {**({"Name": name} if name else {}), **(tags or {})}
        backend = ec2_backends[self._account][region]
        with turn("ec2"):
            reservation = backend.run_instances(
                _IMAGE,
                1,
                None,
                [],
                instance_type=type,
                is_instance_type_default=True,  # skips moto's table of types per region, which is older than the types
                placement=zone,
                region_name=region,
                disable_api_termination=protected,
                tags={"instance": launch_tags},
            )
            instance: Any = reservation.instances[0]
            if launched_at is not None:
                instance.launch_time = naive_utc(launched_at)
            first = naive_utc(first_launched_at) if first_launched_at is not None else instance.launch_time
            instance.nics[0].attach_time = first
            if capacity_block:
                instance.lifecycle = "capacity-block"
            if operator is not None:
                instance.operator = {"Managed": True, "Principal": operator}
            if spot is not None:
                request = ec2_like_aws.adopt(
                    backend,
                    instance,
                    spot_type=spot,
                    request_tags=dict(request_tags or {}),
                    instance_tags=launch_tags,
                )
                request.requested_at = request.updated_at = first
            if late_tags:
                instance.add_tags(dict(late_tags))
            return str(instance.id)

    def group(
        self,
        name: str,
        *,
        size: int,
        min_size: int | None = None,
        type: str = "p4d.24xlarge",  # noqa: A002 - AWS's word for it
        region: str | None = None,
        zones: str = "a",
        tags: Mapping[str, str] | None = None,
        launched_at: datetime | None = None,
        spot: bool = True,
    ) -> autoscaling_like_aws.Group:
        """An Auto Scaling group with `size` instances over `zones` (letters) in turn; its minimum is its size unless
        given. Its tags are on the group and on its instances. What comes back may be changed as AWS's own API would.
        """
        region = region or self._region
        group = autoscaling_like_aws.Group(
            name=name,
            account=self._account,
            region=region,
            min_size=size if min_size is None else min_size,
            desired=size,
            max_size=size,
            zones=tuple(region + zone for zone in zones),
            tags=dict(tags or {}),
            instance_type=type,
            spot=spot,
        )
        with turn("ec2"):
            autoscaling_like_aws.groups(self._account, region)[name] = group
            for number in range(size):
                instance = self.backend_instance(autoscaling_like_aws.launch(group, group.zones[number % len(zones)]))
                if launched_at is not None:
                    instance.launch_time = instance.nics[0].attach_time = naive_utc(launched_at)
        return group

    def backend_instance(self, instance_id: str) -> Any:
        """moto's own object, in whatever region it is. Raises LookupError."""
        for backend in ec2_backends[self._account].values():
            instance = backend.get_instance_by_id(instance_id)
            if instance is not None:
                return instance
        raise LookupError(f"no instance {instance_id}")

    def spot_request_id(self, instance_id: str) -> str | None:
        """The request the instance was launched by."""
        request = ec2_like_aws.request_of(self.backend_instance(instance_id))
        return request.id if request is not None else None

    def end_instance(self, instance_id: str, at: datetime) -> None:
        """Its owner ended it at that time. A persistent request that was not cancelled launches another, as ever."""
        with turn("ec2"), self._world.at(at):
            self.backend_instance(instance_id).terminate()

    def restart_instance(self, instance_id: str, at: datetime) -> None:
        """Stopped and started again at that time: LaunchTime moves, the first launch stays."""
        with turn("ec2"), self._world.at(at):
            instance = self.backend_instance(instance_id)
            instance.stop()
            instance.start()

    def forget(self, instance_id: str) -> None:
        """AWS no longer knows the id, as about an hour after an instance's end."""
        with turn("ec2"):
            instance = self.backend_instance(instance_id)
            self._world.forgotten_instance_zones[instance_id] = instance.placement.zone
            for reservation in instance.ec2_backend.reservations.values():
                reservation.instances = [each for each in reservation.instances if each.id != instance_id]

    def relaunch(self, spot_request_id: str) -> str:
        """Fulfil an open spot request now (see `World.spot_relaunch`); returns the new instance's id.

        Raises ValueError when the request is not open, LookupError when there is none.
        """
        for backend in ec2_backends[self._account].values():
            request: Any = backend.spot_instance_requests.get(spot_request_id)
            if request is not None:
                with turn("ec2"):
                    return str(request.fulfil().id)
        raise LookupError(f"no spot request {spot_request_id}")

    def protect(self, instance_id: str, protected: bool = True) -> None:
        """Termination protection on or off."""
        self.backend_instance(instance_id).disable_api_termination = protected

    # --- SageMaker -------------------------------------------------------------------------------------

    def training_job(
        self,
        name: str,
        *,
        type: str = "ml.p4d.24xlarge",  # noqa: A002 - AWS's word for it
        count: int = 1,
        instance_groups: Sequence[tuple[str, int]] | None = None,
        region: str | None = None,
        created_at: datetime | None = None,
        started_at: datetime | None = None,
        status: str = "InProgress",
        secondary_status: str | None = None,
        tags: Mapping[str, str] | None = None,
        max_runtime_seconds: int = 86_400,
        managed_spot: bool = False,
        tuning_job_arn: str | None = None,
        automl_job_arn: str | None = None,
        labeling_job_arn: str | None = None,
        preferences: Mapping[str, Any] | None = None,
        keep_alive_seconds: int | None = None,
        warm_pool_status: str | None = None,
        checkpoints: bool = False,
    ) -> str:
        """A training job; returns its ARN.

        `started_at` None leaves TrainingStartTime out: the job was created and costs nothing yet (secondary status
        Starting). `created_at` defaults to the start, or to now. `instance_groups` are (type, count) pairs of a
        heterogeneous cluster; Describe then has no InstanceType and InstanceCount. `preferences` is what has
        InstancePreferences, in ResourceConfig, in place of one type. `keep_alive_seconds` asks for a warm pool.
        `checkpoints`: it names a path for them.
        """
        region = region or self._region
        backend: Any = sagemaker_backends[self._account][region]
        resources: dict[str, Any] = {"VolumeSizeInGB": 100}
        if preferences is not None:
            resources |= preferences
        elif instance_groups is None:
            resources |= {"InstanceType": type, "InstanceCount": count}
        else:
            resources["InstanceGroups"] = [
                {"InstanceType": each_type, "InstanceCount": each_count, "InstanceGroupName": f"group-{position}"}
                for position, (each_type, each_count) in enumerate(instance_groups, start=1)
            ]
        if keep_alive_seconds is not None:
            resources["KeepAlivePeriodInSeconds"] = keep_alive_seconds
        with turn("sagemaker"):
            job: Any = backend.create_training_job(
                training_job_name=name,
                hyper_parameters={},
                algorithm_specification={
                    "TrainingImage": _TRAINING_IMAGE.format(region=region),
                    "TrainingInputMode": "File",
                },
                role_arn=_TRAINING_ROLE.format(account=self._account),
                input_data_config=[],
                output_data_config={"S3OutputPath": f"s3://training-{self._account}/{name}"},
                resource_config=resources,
                vpc_config=None,
                stopping_condition={"MaxRuntimeInSeconds": max_runtime_seconds},
                tags=[{"Key": key, "Value": value} for key, value in (tags or {}).items()],
                enable_network_isolation=False,
                enable_inter_container_traffic_encryption=False,
                enable_managed_spot_training=managed_spot,
                checkpoint_config={"S3Uri": f"s3://training-{self._account}/{name}/checkpoints"}
                if checkpoints
                else None,
                debug_hook_config=None,
                debug_rule_configurations=None,
                tensor_board_output_config=None,
                experiment_config=None,
            )
            created = created_at or started_at
            job.creation_time = naive_utc(created) if created is not None else naive_now()
            job.last_modified_time = job.creation_time
            job.training_start_time = naive_utc(started_at) if started_at is not None else None
            job.training_job_status = status
            job.secondary_status = secondary_status or ("Training" if started_at is not None else "Starting")
            extra = sagemaker_like_aws.extras(job)
            if tuning_job_arn is not None:
                extra["TuningJobArn"] = tuning_job_arn
            if automl_job_arn is not None:
                extra["AutoMLJobArn"] = automl_job_arn
            if labeling_job_arn is not None:
                extra["LabelingJobArn"] = labeling_job_arn
            if warm_pool_status is not None or keep_alive_seconds is not None:
                extra["WarmPoolStatus"] = {"Status": warm_pool_status or "InUse"}
            sagemaker_like_aws.set_transitions(job)
            return str(job.arn)

    def processing_job(
        self,
        name: str,
        *,
        type: str = "ml.m5.4xlarge",  # noqa: A002 - AWS's word for it
        count: int = 1,
        region: str | None = None,
        created_at: datetime | None = None,
        started_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        max_runtime_seconds: int | None = None,
        automl_job_arn: str | None = None,
        monitoring_schedule_arn: str | None = None,
    ) -> str:
        """A processing job in progress; returns its ARN. `started_at` None: it costs nothing yet."""
        backend: Any = sagemaker_backends[self._account][region or self._region]
        with turn("sagemaker"):
            job: Any = backend.create_processing_job(
                app_specification={"ImageUri": "image"},
                experiment_config={},
                network_config={},
                processing_inputs=[],
                processing_job_name=name,
                processing_output_config={},
                role_arn=_TRAINING_ROLE.format(account=self._account),
                stopping_condition={"MaxRuntimeInSeconds": max_runtime_seconds} if max_runtime_seconds else {},
                tags=_tag_list(tags),
            )
            created = created_at or started_at
            job.creation_time = naive_utc(created) if created is not None else naive_now()
            job.processing_resources = {"ClusterConfig": {"InstanceType": type, "InstanceCount": count}}
            job.processing_start_time = naive_utc(started_at) if started_at is not None else None
            extra = sagemaker_families.extras(job)
            extra |= {"AutoMLJobArn": automl_job_arn} if automl_job_arn is not None else {}
            extra |= {"MonitoringScheduleArn": monitoring_schedule_arn} if monitoring_schedule_arn is not None else {}
            return str(job.arn)

    def tuning_job(
        self,
        name: str,
        *,
        type: str = "ml.p4d.24xlarge",  # noqa: A002 - AWS's word for it
        region: str | None = None,
        created_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        max_runtime_seconds: int | None = None,
    ) -> str:
        """A tuning job in progress without training jobs (see `child_of`); returns its ARN."""
        backend: Any = sagemaker_backends[self._account][region or self._region]
        limits: dict[str, Any] = {"MaxNumberOfTrainingJobs": 100, "MaxParallelTrainingJobs": 4}
        limits |= {"MaxRuntimeInSeconds": max_runtime_seconds} if max_runtime_seconds is not None else {}
        definition = {
            "ResourceConfig": {"InstanceType": type, "InstanceCount": 1, "VolumeSizeInGB": 100},
            "StoppingCondition": {"MaxRuntimeInSeconds": 86_400},
            "RoleArn": _TRAINING_ROLE.format(account=self._account),
            "OutputDataConfig": {"S3OutputPath": f"s3://training-{self._account}/{name}"},
            "AlgorithmSpecification": {"TrainingInputMode": "File"},
        }
        with turn("sagemaker"):
            arn = backend.create_hyper_parameter_tuning_job(
                hyper_parameter_tuning_job_name=name,
                hyper_parameter_tuning_job_config={"Strategy": "Bayesian", "ResourceLimits": limits},
                training_job_definition=definition,
                training_job_definitions=None,
                warm_start_config=None,
                tags=_tag_list(tags),
                autotune=None,
            )
            job: Any = backend.hyper_parameter_tuning_jobs[name]
            job.hyper_parameter_tuning_job_status, job.hyper_parameter_tuning_end_time = "InProgress", None
            job.creation_time = naive_utc(created_at) if created_at is not None else naive_now()
            return str(arn)

    def automl_job(
        self,
        name: str,
        *,
        region: str | None = None,
        created_at: datetime | None = None,
        tags: Mapping[str, str] | None = None,
        max_runtime_seconds: int = 259_200,
    ) -> str:
        """An AutoML job in progress without children (see `child_of`); returns its ARN."""
        backend: Any = sagemaker_backends[self._account][region or self._region]
        criteria = {"MaxAutoMLJobRuntimeInSeconds": max_runtime_seconds}
        with turn("sagemaker"):
            arn = backend.create_auto_ml_job_v2(
                auto_ml_job_name=name,
                auto_ml_job_input_data_config=[],
                output_data_config={"S3OutputPath": f"s3://training-{self._account}/{name}"},
                auto_ml_problem_type_config={"ImageClassificationJobConfig": {"CompletionCriteria": criteria}},
                role_arn=_TRAINING_ROLE.format(account=self._account),
                tags=_tag_list(tags),
                security_config=None,
                auto_ml_job_objective=None,
                model_deploy_config=None,
                data_split_config=None,
            )
            job: Any = backend.auto_ml_jobs[name]
            job.auto_ml_job_secondary_status, job.end_time = "TrainingModels", None
            job.creation_time = naive_utc(created_at) if created_at is not None else naive_now()
            return str(arn)

    def child_of(self, parent_arn: str, name: str, **training_job: Any) -> str:
        """One training job that the tuning or AutoML job of that ARN started; its own ARN."""
        training_job["automl_job_arn" if ":automl-job/" in parent_arn else "tuning_job_arn"] = parent_arn
        return self.training_job(name, region=parent_arn.split(":")[3], **training_job)

    def end_family_job(self, arn: str, at: datetime, status: str = "Completed") -> None:
        """A processing, tuning or AutoML job ended at that time; its children are not touched."""
        _, _, _, region, _, resource = arn.split(":", 5)
        word, _, name = resource.partition("/")
        family = {"processing-job": sagemaker_families.PROCESSING, "automl-job": sagemaker_families.AUTOML}.get(
            word, sagemaker_families.TUNING
        )
        with turn("sagemaker"):
            backend: Any = sagemaker_backends[self._account][region]
            sagemaker_families.end(
                family, sagemaker_families.find(backend, family, name), at=naive_utc(at), status=status
            )

    def set_warm_pool(self, name: str, status: str, *, region: str | None = None) -> None:
        """Such as Reused, when another job has taken the instances over."""
        with turn("sagemaker"):
            sagemaker_like_aws.extras(self._job(name, region))["WarmPoolStatus"] = {"Status": status}

    def _job(self, name: str, region: str | None) -> Any:
        return sagemaker_like_aws.find(sagemaker_backends[self._account][region or self._region], name)

    def finish_job(
        self,
        name: str,
        at: datetime,
        status: str = "Completed",
        *,
        region: str | None = None,
        billable_seconds: int | None = None,
    ) -> None:
        """The job ended at that time: Completed, Failed or Stopped. `billable_seconds`: of managed spot; else all."""
        with turn("sagemaker"):
            if billable_seconds is not None:
                sagemaker_like_aws.extras(self._job(name, region))["BillableTimeInSeconds"] = billable_seconds
            sagemaker_like_aws.end(self._job(name, region), at=naive_utc(at), status=status)

    def set_secondary_status(self, name: str, secondary_status: str, *, region: str | None = None) -> None:
        """Such as Uploading, when the artifacts are being written."""
        with turn("sagemaker"):
            job = self._job(name, region)
            job.secondary_status = secondary_status
            sagemaker_like_aws.set_transitions(job)

    # --- tags, by instance id, spot request id or ARN ----------------------------------------------------

    def _tagging(self, resource: str) -> Any:
        if resource.startswith("arn:"):
            return sagemaker_backends[self._account][resource.split(":")[3]]
        for backend in ec2_backends[self._account].values():
            if backend.get_instance_by_id(resource) is not None or resource in backend.spot_instance_requests:
                return backend
        raise LookupError(f"no resource {resource}")

    def tag(self, resource: str, tags: Mapping[str, str]) -> None:
        """Add or overwrite tags."""
        backend = self._tagging(resource)
        if resource.startswith("arn:"):
            with turn("sagemaker"):
                backend.add_tags(resource, [{"Key": key, "Value": value} for key, value in tags.items()])
        else:
            with turn("ec2"):
                backend.create_tags([resource], dict(tags))

    def untag(self, resource: str, *keys: str) -> None:
        """Remove tags, whatever their values."""
        backend = self._tagging(resource)
        if resource.startswith("arn:"):
            with turn("sagemaker"):
                backend.delete_tags(resource, list(keys))
        else:
            with turn("ec2"):
                backend.delete_tags([resource], dict.fromkeys(keys))

    # --- SNS -------------------------------------------------------------------------------------------

    def confirm_subscriptions(self, topic_arn: str, endpoint: str | None = None) -> int:
        """The addressees clicked the link: pending subscriptions of the topic, or one endpoint's, become real.

        Returns how many did.
        """
        with turn("sns"):
            backend = sns_backends[self._account][topic_arn.split(":")[3]]
            return sns_like_aws.confirm(backend, topic_arn, endpoint)


def _tag_list(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
