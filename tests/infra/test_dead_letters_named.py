"""The command line finds every dead-letter queue of the stack, and who may be handed what lies there."""

from __future__ import annotations

from costwatch import names, topology
from costwatch.cli.stack_queues import parts
from tests.support.synth import Synthesized


def test_every_queue_that_waits_for_a_person_is_found_and_no_other(assembly: Synthesized) -> None:
    found = parts({name: name for name in assembly.template["Resources"]})
    asynchronous = {function.name for function in assembly.functions if function.asynchronous}
    assert {*found} == {*asynchronous, topology.BEATS.name, names.REFUSED}
    queues = {queue for queue, _ in found.values()}
    read = [queue for queue in topology.QUEUES if queue.answers_dead_letters]
    assert queues < assembly.dead_letter_queues
    assert len(assembly.dead_letter_queues - queues) == len(read)


def test_each_function_is_handed_what_it_gave_up_itself(assembly: Synthesized) -> None:
    functions = assembly.of_type("AWS::Lambda::Function")
    for queue, function in parts({name: name for name in assembly.template["Resources"]}).values():
        given_up = [
            name
            for name, each in functions.items()
            if each["Properties"].get("DeadLetterConfig") == {"TargetArn": {"Fn::GetAtt": [queue, "Arn"]}}
        ]
        assert given_up == ([function] if function else [])
