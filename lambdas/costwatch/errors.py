"""Every error Costwatch raises on purpose, by the one question a caller has: retry?

    CostwatchError
    ├── InputError               no: the caller's input is wrong; the sentence names the field
    │   ├── MalformedEvent       no: goes to the dead-letter queue with its reason
    │   ├── ConfigError          no: pages whoever edits costwatch.yaml; names file, line and key
    │   └── UnknownRun           no: the run id names nothing, or several
    ├── RefusedError             no: understood and denied (policy hash differs, over the owner's total, ...)
    ├── NotDeployedError         no: there is no stack to talk to here
    │   └── OtherDeployment      no: there is one, of another version: deploy again
    └── AwsError                 what an AWS or Slack call answered, translated inside adapters
        ├── TransientAwsError    yes: throttled, timed out, unreachable; the next sweep tries again
        └── PermanentAwsError    no: denied or invalid; reported and alarmed, never guessed around
            └── UnreadableRow    no: a row of the ledger is not what this version writes; names its key

Anything else propagates as it is: a swallowed failure makes a watchdog look healthy.
"""


class CostwatchError(Exception):
    """Base of all errors raised on purpose. `retry` tells whether the same call may succeed later."""

    retry = False


class InputError(CostwatchError):
    """Input that is wrong in itself; trying again changes nothing."""


class MalformedEvent(InputError):
    """An event that is not what its source documents. Goes to the dead-letter queue with this reason."""


class ConfigError(InputError):
    """costwatch.yaml or the policy made of it is invalid."""


class UnknownRun(InputError):
    """A run id that matches no run, or more than one."""


class RefusedError(CostwatchError):
    """The request was understood and is not allowed."""


class NotDeployedError(CostwatchError):
    """No deployed Costwatch was found in this account and region."""


class OtherDeployment(NotDeployedError):
    """The stack that is there wrote down what this version does not read."""


class AwsError(CostwatchError):
    """An outside call failed. `code` is the service's own error code, for example `Throttling`."""

    def __init__(self, message: str, *, code: str = "", operation: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.operation = operation


class TransientAwsError(AwsError):
    """Throttled, timed out or unreachable: may succeed later."""

    retry = True


class PermanentAwsError(AwsError):
    """Denied or invalid: will fail again until somebody changes something."""


class UnreadableRow(PermanentAwsError):
    """A row of the ledger that is not what this version writes. `pk` and `sk` are its key."""

    def __init__(self, pk: str, sk: str, problem: str) -> None:
        super().__init__(f"ledger row ({pk}, {sk}) cannot be read: {problem}; mend or delete it", code="UnreadableRow")
        self.pk = pk
        self.sk = sk
