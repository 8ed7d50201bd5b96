"""What the deployed stack costs by itself, for whoever tells it."""

from __future__ import annotations

from typing import Final

from costwatch import topology
from costwatch.core.own_cost import OwnCost, Parts, own_cost
from costwatch.core.policy import Policy

OWN_METRICS: Final = 4
DASHBOARDS: Final = 1
_ALARMS_OVER_ONE_METRIC: Final = 5  # NoSweep, Attention, OldestClaim, Burn, StalePrices
_REFUSED: Final = 1


def parts_of(policy: Policy) -> Parts:
    """The parts of the stack that `policy` is deployed as."""
    models = bool(policy.res.models)
    functions = topology.functions(slack=bool(policy.slack.platform_channel), models=models)
    dead_letters = sum(each.asynchronous for each in functions) + len(topology.QUEUES) + _REFUSED
    return Parts(
        metrics=OWN_METRICS,
        alarm_metrics=2 * len(functions) + dead_letters + _ALARMS_OVER_ONE_METRIC + models,
        dashboards=DASHBOARDS,
        polled_queues=sum(1 + each.answers_dead_letters for each in topology.QUEUES),
        sweepers=1 + models,
        sweep_every=policy.sweep_every,
    )


def own_cost_of(policy: Policy) -> OwnCost:
    """A month of it, USD."""
    return own_cost(parts_of(policy))
