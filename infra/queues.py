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
        self, scope: Construct, construct_id: str, *, queue: topology.Queue, function: topology.Function
    ) -> None:
        super().__init__(scope, construct_id)
        self.spec = queue
        hidden = Duration.seconds(int((_TIMEOUTS * function.timeout + queue.batch_window).total_seconds()))
        self.dead_letters = DeadLetterQueue(self, "DeadLetters", hidden=hidden if queue.answers_dead_letters else None)
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            visibility_timeout=hidden,
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=queue.tries, queue=self.dead_letters),
        )

    def feed(self, function: WatchdogFunction) -> None:
        """Have `function` read it."""
        function.function.add_event_source(self._source(self.queue))
        if self.spec.answers_dead_letters:
            function.function.add_event_source(self._source(self.dead_letters))

    def _source(self, queue: sqs.IQueue) -> sources.SqsEventSource:
        return sources.SqsEventSource(
            queue,
            batch_size=self.spec.batch_size,
            max_batching_window=Duration.seconds(int(self.spec.batch_window.total_seconds())),
            max_concurrency=self.spec.most_at_once,
            report_batch_item_failures=True,
        )
