"""What was measured, and on what: JSON in S3, and the ETags of data with the time when that was written."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import IncompleteReadError

from costwatch.adapters.aws_errors import translated
from costwatch.core import evaluation_report, gains
from costwatch.core.evaluation_report import kind_of
from costwatch.core.gains import Content, Reading
from costwatch.errors import InputError, PermanentAwsError, TransientAwsError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_MIB: Final = 1 << 20
LARGEST_STATISTICS: Final = _MIB
LARGEST_DIFFERENCES: Final = 16 * _MIB
FEWEST_DIFFERENCES: Final = gains.FEWEST_DIFFERENCES
MOST_DIFFERENCES: Final = 1_000_000
MOST_OBJECTS: Final = 1000
"""Of a prefix whose content is known by its objects' ETags: what one call lists."""
_ABSENT: Final = ("NoSuchKey", "NoSuchBucket", "404", "NotFound")


class Evaluations:
    """Reads S3. Raises InputError for what is not there, not JSON or not what it should be, and AwsError where S3
    refuses or fails."""

    def __init__(self, client: S3Client) -> None:
        self._client: Any = client

    def statistics(self, uri: str) -> dict[str, Reading]:
        """Metrics by name, of a slice as `recall@country=DE`, from a JSON object of up to 1 MiB. See
        `core.evaluation_report`."""
        return evaluation_report.readings(self._json(uri, LARGEST_STATISTICS), uri)

    def differences(self, uri: str) -> tuple[Decimal, ...]:
        """Candidate minus baseline of each example, from a JSON list of 2 to 1,000,000 numbers and up to 16 MiB."""
        found = self._json(uri, LARGEST_DIFFERENCES)
        if not isinstance(found, list):
            raise InputError(f"{uri} is {kind_of(found)}, expected a list with the difference of each example")
        if not FEWEST_DIFFERENCES <= len(found) <= MOST_DIFFERENCES:
            raise InputError(
                f"{uri} is a list of {len(found):,}, expected {FEWEST_DIFFERENCES} to {MOST_DIFFERENCES:,} differences"
            )
        return tuple(_number(each, position, uri) for position, each in enumerate(found, start=1))

    def content(self, uri: str) -> Content | None:
        """An object's ETag; of a prefix a SHA-256 over its objects' keys and ETags. It changes with what is there.

        None where that is not known: nothing is there, or more than 1,000 objects are.
        """
        bucket, key = _place(uri)
        if key and not key.endswith("/"):  # a key that ends so is an empty object that stands for a folder
            try:
                with translated("s3:HeadObject"):
                    found = self._client.head_object(Bucket=bucket, Key=key)
                    return Content(str(found["ETag"]).strip('"'), found["LastModified"].astimezone(UTC))
            except PermanentAwsError as error:
                if error.code not in _ABSENT:
                    raise
        return self._digest(bucket, key)

    def _digest(self, bucket: str, prefix: str) -> Content | None:
        try:
            with translated("s3:ListObjectsV2"):
                page = self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=MOST_OBJECTS)
        except PermanentAwsError as error:
            if error.code not in _ABSENT:
                raise
            return None
        listed = page.get("Contents", [])
        if not listed or page.get("IsTruncated"):
            return None
        found = sorted((str(each["Key"]), str(each["ETag"]).strip('"')) for each in listed)
        changed_at = max(each["LastModified"] for each in listed).astimezone(UTC)
        return Content("sha256:" + hashlib.sha256(json.dumps(found).encode()).hexdigest(), changed_at)

    def _json(self, uri: str, largest: int) -> object:
        try:
            return json.loads(self._read(uri, largest), parse_float=Decimal, parse_constant=Decimal)
        except (ValueError, RecursionError, ArithmeticError):  # UnicodeDecodeError and JSONDecodeError among them
            raise InputError(f"{uri} is not JSON") from None

    def _read(self, uri: str, largest: int) -> bytes:
        """Never more than one byte over what is allowed."""
        bucket, key = _place(uri)
        if not key:
            raise InputError(f"{uri} names a bucket, expected s3://BUCKET/KEY")
        try:
            with translated("s3:GetObject"):
                body = self._client.get_object(Bucket=bucket, Key=key)["Body"]
                try:
                    found = b""
                    # Until there is nothing left: then botocore tells whether all arrived that was announced.
                    while len(found) <= largest and (more := body.read(largest + 1 - len(found))):
                        found += more
                finally:
                    body.close()
        except PermanentAwsError as error:
            if isinstance(error.__cause__, IncompleteReadError):
                raise TransientAwsError(str(error), code=error.code, operation=error.operation) from error
            if error.code in _ABSENT:
                raise InputError(f"{uri} does not exist") from error
            raise PermanentAwsError(f"{uri}: {error}", code=error.code, operation=error.operation) from error
        if len(found) > largest:
            raise InputError(f"{uri} is larger than {largest // _MIB} MiB, which is the most that is read")
        return found


def _place(uri: str) -> tuple[str, str]:
    """Bucket and key, which is empty where only a bucket is named. Raises InputError."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise InputError(f"{uri[:200]!r} is no S3 URI, expected s3://BUCKET/KEY")
    return bucket, key


def _number(value: object, position: int, uri: str) -> Decimal:
    what = f"difference {position} in {uri}"
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        raise InputError(f"{what} is {kind_of(value)}, expected a finite number")
    return gains.finite(value, what)
