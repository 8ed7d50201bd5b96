"""The queues of the topology: a function reads each in batches; what keeps failing goes into its dead-letter queue."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from costwatch import topology
from infra.dead_letters import DeadLetterQueue
from infra.functions import WatchdogFunction

# What AWS advises: six times the function's timeout, and the time that a batch is gathered for.
_TIMEOUTS = 6


class BatchedQueue(Construct):
    """Encrypted, over TLS only. Half of a batch that fails is delivered again, the other half is not."""

    def __init__(
        self, scope: Construct, construct_id: str, *, queue: topology.Queue, function: WatchdogFunction
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = DeadLetterQueue(self, "DeadLetters")
        hidden = _TIMEOUTS * function.spec.timeout + queue.batch_window
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            visibility_timeout=Duration.seconds(int(hidden.total_seconds())),
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=queue.tries, queue=self.dead_letters),
        )
        function.function.add_event_source(
            sources.SqsEventSource(
                self.queue,
                batch_size=queue.batch_size,
                max_batching_window=Duration.seconds(int(queue.batch_window.total_seconds())),
                max_concurrency=queue.most_at_once,
                report_batch_item_failures=True,
            )
        )
