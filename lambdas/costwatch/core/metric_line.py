"""The line of JSON that CloudWatch reads metrics from (embedded metric format), as every function prints it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from costwatch import names


def metric_line(at: datetime, function: str, message: str, values: Mapping[str, float], **fields: object) -> str:
    """One line: `values` by metric, with the one dimension, and `fields`, which queries of the log read and are no
    metrics. Without values it is a line of the log alone. `at`: aware; the metrics' time.
    """
    line: dict[str, object] = {
        "level": "INFO",
        "message": message,
        names.METRIC_DIMENSION_SERVICE: names.METRIC_SERVICE,
        "function": function,
        **fields,
    }
    if values:
        described = {
            "Namespace": names.METRIC_NAMESPACE,
            "Dimensions": [[names.METRIC_DIMENSION_SERVICE]],
            "Metrics": [{"Name": name} for name in values],
        }
        at_ms = int(at.timestamp() * 1000)
        line |= {"_aws": {"Timestamp": at_ms, "CloudWatchMetrics": [described]}, **values}
    return json.dumps(line)
