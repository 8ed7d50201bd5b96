"""Who else directs an instance or a group, as the tags say that AWS and cluster tools put on what they own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from costwatch import names
from costwatch.core.model import Parent, RunKind

# Whoever of these owns it relaunches what is stopped: (tag key, label).
_CLUSTER_TAGS: tuple[tuple[str, str], ...] = (
    ("eks:cluster-name", "EKS cluster"),
    ("aws:eks:cluster-name", "EKS cluster"),
    ("aws:batch:compute-environment", "Batch compute environment"),
    ("AWSBatchServiceTag", "Batch compute environment"),
    ("aws:elasticmapreduce:job-flow-id", "EMR cluster"),
    ("parallelcluster:cluster-name", "ParallelCluster"),
    ("sagemaker:cluster-name", "HyperPod cluster"),
)
_KUBERNETES_PREFIX = "kubernetes.io/cluster/"


def parent(tags: Mapping[str, str], operator: Mapping[str, Any]) -> Parent | None:
    """What would replace it: a cluster or operator first, since what those own sits in a group of theirs as well."""
    found = cluster(tags, operator)
    if found is not None:
        return found
    # A group that launches by fleet marks its instances with both: it is the group that replaces them.
    if name := tags.get(names.TAG_ASG):
        return Parent(RunKind.ASG, name, f"Auto Scaling group {name}")
    if fleet := tags.get(names.TAG_EC2_FLEET) or tags.get(names.TAG_SPOT_FLEET):
        return Parent(RunKind.FLEET, fleet, f"fleet {fleet}")
    return None


def cluster(tags: Mapping[str, str], operator: Mapping[str, Any]) -> Parent | None:
    """The cluster or managed operator that owns it, by its tags and AWS's `Operator` field."""
    for key, label in _CLUSTER_TAGS:
        if name := tags.get(key):
            return Parent(RunKind.CLUSTER, name, f"{label} {name}")
    for key in tags:
        if key.startswith(_KUBERNETES_PREFIX):
            name = key.removeprefix(_KUBERNETES_PREFIX)
            return Parent(RunKind.CLUSTER, name, f"Kubernetes cluster {name}")
    if operator.get("Managed"):
        name = operator.get("Principal", "unknown")
        return Parent(RunKind.CLUSTER, name, f"managed operator {name}")
    return None
