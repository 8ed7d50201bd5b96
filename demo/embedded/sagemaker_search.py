"""Search over training and tuning jobs as AWS answers it: whole jobs with their tags, 100 a page, newest first.

moto's Search knows neither times nor pages. What is asked of other resources goes to moto.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from moto.core.responses import ActionResult
from moto.sagemaker.exceptions import ValidationError
from moto.sagemaker.models import SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse

from demo.embedded.patching import Patch

_DEFAULT_PAGE: Final = 10
_MOST: Final = 100
_COMPARED: Final = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
_STORES: Final = {
    "TrainingJob": ("training_jobs", "training_job_name", "describe_training_job"),
    "HyperParameterTuningJob": (
        "hyper_parameter_tuning_jobs",
        "hyper_parameter_tuning_job_name",
        "describe_hyper_parameter_tuning_job",
    ),
}

_moto_search = SageMakerResponse.search


def _search(response: Any) -> Any:
    word = response._get_param("Resource")
    if word not in _STORES:
        return _moto_search(response)
    most = int(response._get_param("MaxResults") or _DEFAULT_PAGE)
    if not 1 <= most <= _MOST:
        raise ValidationError(message=f"MaxResults must be from 1 to {_MOST}")
    filters = (response._get_param("SearchExpression") or {}).get("Filters") or []
    found = [each for each in _whole(response.sagemaker_backend, word) if all(_fits(each, one) for one in filters)]
    by = response._get_param("SortBy") or "LastModifiedTime"
    newest_first = (response._get_param("SortOrder") or "Descending") == "Descending"
    found.sort(key=lambda each: (str(each.get(by) or ""), each[f"{word}Name"]), reverse=newest_first)
    start = int(response._get_param("NextToken") or 0)
    stop = start + most
    return ActionResult(
        {
            "Results": [{word: each} for each in found[start:stop]],
            "NextToken": str(stop) if stop < len(found) else None,
            "TotalHits": {"Value": len(found), "Relation": "EqualTo"},
        }
    )


def _whole(backend: SageMakerModelBackend, word: str) -> list[dict[str, Any]]:
    store, name, describe = _STORES[word]
    jobs = list(getattr(backend, store).values())
    return [{**getattr(backend, describe)(getattr(job, name)), "Tags": list(job.tags or [])} for job in jobs]


def _fits(job: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    compare = _COMPARED.get(wanted.get("Operator", "Equals"))
    if compare is None:
        raise ValidationError(message=f"the embedded AWS does not know the operator {wanted['Operator']}")
    value = job.get(wanted["Name"])
    if value is None:
        return False
    asked: Any = datetime.fromisoformat(wanted["Value"]) if isinstance(value, datetime) else wanted["Value"]
    return bool(compare(value, asked))


def patches() -> list[Patch]:
    """What `install` applies."""
    return [Patch(SageMakerResponse, "search", _search)]
