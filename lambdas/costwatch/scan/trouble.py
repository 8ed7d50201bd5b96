"""What an AWS error means for a scan: a line about one region, never the end of it."""

from __future__ import annotations

from typing import Final

from costwatch.errors import AwsError
from costwatch.scan.inventory import Gap, GapKind

_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedAccess", "UnauthorizedOperation", "ForbiddenException"}
)
# The account's credentials were taken elsewhere before any region is read: here these mean the region is off.
_NOT_ENABLED: Final = frozenset({"AuthFailure", "InvalidClientTokenId", "OptInRequired", "UnrecognizedClientException"})


def gap_of(error: AwsError, region: str, operation: str) -> Gap:
    """The gap that `error` leaves."""
    if error.code in _DENIED:
        kind = GapKind.DENIED
    elif error.code in _NOT_ENABLED:
        kind = GapKind.NOT_ENABLED
    else:
        kind = GapKind.SILENT if error.retry else GapKind.FAILED
    # What a connection says names addresses and ports that help nobody; what a service says names the permission.
    reason = error.code if error.retry else str(error).removeprefix(f"{operation}: ")
    return Gap(region, operation, kind, " ".join(reason.split()) or type(error).__name__)
