"""Each function is given its synthesized environment and parses it."""

from __future__ import annotations

from costwatch import names, topology
from costwatch.settings import DoorSettings
from tests.infra import documents
from tests.support.synth import Synthesized, filled_in

LARGEST_ENVIRONMENT_BYTES = 4096  # Lambda's limit for all of a function's variables


def environment_of(function: topology.Function, assembly: Synthesized) -> dict[str, str]:
    (properties,) = [
        f["Properties"]
        for f in assembly.of_type("AWS::Lambda::Function").values()
        if f["Properties"]["Handler"] == function.handler
    ]
    variables: dict[str, str] = filled_in(properties["Environment"]["Variables"])
    return variables


def test_a_function_parses_the_environment_the_stack_gives_it(assembly: Synthesized) -> None:
    for function in assembly.functions:
        environment = environment_of(function, assembly)
        settings = function.settings.from_env(environment)
        assert settings.to_env().items() <= environment.items(), function.name


def test_beside_its_settings_a_function_is_told_its_service_and_namespace_only(assembly: Synthesized) -> None:
    for function in assembly.functions:
        environment = environment_of(function, assembly)
        rest = {k: v for k, v in environment.items() if k not in function.settings.from_env(environment).to_env()}
        assert rest == {
            "POWERTOOLS_SERVICE_NAME": function.service,
            "POWERTOOLS_METRICS_NAMESPACE": names.METRIC_NAMESPACE,
        }


def test_the_environment_stays_under_lambdas_4_kb(assembly: Synthesized) -> None:
    for function in assembly.functions:
        environment = environment_of(function, assembly)
        assert sum(len(k.encode()) + len(v.encode()) for k, v in environment.items()) <= LARGEST_ENVIRONMENT_BYTES


def test_the_token_parameter_is_named_only_where_slack_is_configured(
    observe: Synthesized, enforce: Synthesized
) -> None:
    assert names.ENV_SLACK_TOKEN_PARAMETER not in environment_of(topology.DEADMAN, observe)
    told = environment_of(topology.DEADMAN, enforce)[names.ENV_SLACK_TOKEN_PARAMETER]
    assert told == names.DEFAULT_SLACK_TOKEN_PARAMETER


def test_the_door_is_told_the_name_of_the_secret_and_whose_clicks_it_takes(enforce: Synthesized) -> None:
    assert DoorSettings.from_env(environment_of(topology.DOOR, enforce)) == DoorSettings(
        slack_signing_secret_parameter=names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER,
        slack_app_id=documents.SLACK_APP,
        slack_workspace=documents.SLACK_WORKSPACE,
    )
