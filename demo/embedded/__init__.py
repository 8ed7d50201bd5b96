"""An AWS in this process: moto's server, made to behave as AWS does where the two differ.

`EmbeddedAws` starts a server on 127.0.0.1 and is what demo and tests use. `install` gives moto the same behaviour
without a server, for tests under `mock_aws`.
"""

from demo.embedded.aws import EmbeddedAws
from demo.embedded.faults import Call, Fault, Faults
from demo.embedded.fleet import Fleet
from demo.embedded.install import install
from demo.embedded.models import Models
from demo.embedded.world import SnsMessage, World

__all__ = ["Call", "EmbeddedAws", "Fault", "Faults", "Fleet", "Models", "SnsMessage", "World", "install"]
