"""Which machines a SageMaker job has, by its ResourceConfig or ClusterConfig, and whether they are prepaid.

A job names one type, or groups of a heterogeneous cluster, or `InstancePreferences`: an ordered list of acceptable
types, of which SageMaker selects exactly one before it starts the job, and bills that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_Config = Mapping[str, Any]


def capacity(config: _Config) -> tuple[tuple[str, int], ...]:
    """(instance type, count) pairs. Empty: unknown, such as while nothing is selected yet."""
    if "SelectedInstanceType" in config:
        chosen = config["SelectedInstanceType"]
        named = next((each for each in _preferences(config) if each.get("InstanceType") == chosen), {})
        counts = (config.get("SelectedInstanceCount"), named.get("InstanceCount"), config.get("InstanceCount"))
        return ((chosen, next((int(count) for count in counts if count), 1)),)
    groups = config.get("InstanceGroups") or ([config] if config.get("InstanceType") else [])
    return tuple((group["InstanceType"], int(group.get("InstanceCount", 1))) for group in groups)


def is_prepaid(config: _Config) -> bool:
    """Whether it runs in a training plan: the job's own, or the one of the type that was selected.

    While nothing is selected one acceptable type with a plan is enough: nobody is to stop what may turn out prepaid.
    """
    if config.get("TrainingPlanArn"):
        return True
    chosen = config.get("SelectedInstanceType")
    possible = (each for each in _preferences(config) if chosen is None or each.get("InstanceType") == chosen)
    return any(each.get("TrainingPlanArns") for each in possible)


def _preferences(config: _Config) -> Sequence[_Config]:
    return config.get("InstancePreferences") or ()
