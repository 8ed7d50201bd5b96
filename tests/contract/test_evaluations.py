"""Reading what was measured, and on what, from S3."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError, IncompleteReadError

from costwatch.adapters import evaluations
from costwatch.adapters.evaluations import Evaluations
from costwatch.core.gains import Reading
from costwatch.errors import InputError, PermanentAwsError, TransientAwsError
from demo.embedded import EmbeddedAws

BUCKET = "s3://evaluations"
URI = f"{BUCKET}/churn/evaluation.json"


@pytest.fixture
def s3(aws: EmbeddedAws) -> Evaluations:
    aws.models.put(f"{BUCKET}/there", b"")
    return Evaluations(aws.client("s3"))


@dataclass
class Body:
    """A body that remembers how much of it was read."""

    content: bytes
    announced: int | None = None
    taken: int = 0
    closed: bool = False

    def read(self, size: int) -> bytes:
        found = self.content[self.taken : self.taken + size]
        self.taken += len(found)
        if not found and self.announced not in (None, self.taken):
            raise IncompleteReadError(actual_bytes=self.taken, expected_bytes=self.announced)
        return found

    def close(self) -> None:
        self.closed = True


@dataclass
class S3:
    """One object, or one refusal."""

    body: Body = field(default_factory=lambda: Body(b"{}"))
    code: str = ""
    status: int = 400

    def get_object(self, **named: str) -> dict[str, Any]:
        self._answer()
        del named
        return {"Body": self.body}

    def head_object(self, **named: str) -> dict[str, Any]:
        self._answer()
        del named
        return {"ETag": '"abc"'}

    def _answer(self) -> None:
        if self.code:
            answer: Any = {
                "Error": {"Code": self.code, "Message": "no"},
                "ResponseMetadata": {"HTTPStatusCode": self.status},
            }
            raise ClientError(answer, "GetObject")


def reader(fake: S3) -> Evaluations:
    client: Any = fake
    return Evaluations(client)


# --- statistics -----------------------------------------------------------------------------------------------------


def test_a_pipelines_evaluation_is_read_to_the_last_digit(aws: EmbeddedAws, s3: Evaluations) -> None:
    aws.models.put(
        URI, b'{"regression_metrics": {"mse": {"value": 4.900000000000000001, "standard_deviation": "NaN"}}}'
    )
    assert s3.statistics(URI) == {"mse": Reading(Decimal("4.900000000000000001"))}


def test_a_bare_nan_spoils_its_own_metric_only(aws: EmbeddedAws, s3: Evaluations) -> None:
    aws.models.put(URI, b'{"binary_classification_metrics": {"auc": {"value": NaN}, "recall": {"value": 0.81}}}')
    found = s3.statistics(URI)
    assert found["recall"] == Reading(Decimal("0.81"))
    assert found["auc"].problem == f"auc is NaN, expected a finite number in {URI}"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"not json", f"{URI} is not JSON"),
        (b"", f"{URI} is not JSON"),
        (b"\xff\xfe\x00", f"{URI} is not JSON"),
        (b"[" * 100_000, f"{URI} is not JSON"),
        (b'{"a_metrics": {"x": {"value": ' + b"9" * 5000 + b"}}}", f"{URI} is not JSON"),
        (b"[1, 2]", f"{URI} is a list"),
        (b"{}", f"{URI} has no metric"),
    ],
)
def test_what_is_no_evaluation_is_named(aws: EmbeddedAws, s3: Evaluations, body: bytes, sentence: str) -> None:
    aws.models.put(URI, body)
    with pytest.raises(InputError) as error:
        s3.statistics(URI)
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize("uri", [URI, "s3://no-such-bucket/evaluation.json"])
def test_what_is_not_there_is_named(s3: Evaluations, uri: str) -> None:
    with pytest.raises(InputError, match=f"^{uri} does not exist$"):
        s3.statistics(uri)


@pytest.mark.parametrize("uri", ["", "evaluation.json", "https://bucket/key", "s3://", "s3:///key"])
def test_an_address_outside_of_s3_is_refused(s3: Evaluations, uri: str) -> None:
    with pytest.raises(InputError, match=r"is no S3 URI, expected s3://BUCKET/KEY"):
        s3.statistics(uri)


def test_a_bucket_alone_is_no_object(s3: Evaluations) -> None:
    with pytest.raises(InputError, match="names a bucket"):
        s3.statistics(BUCKET)


def test_an_object_of_exactly_the_limit_is_read() -> None:
    start = b'{"regression_metrics": {"mse": {"value": 4.9}}}'
    fake = S3(Body(start.ljust(evaluations.LARGEST_STATISTICS)))
    assert reader(fake).statistics(URI) == {"mse": Reading(Decimal("4.9"))}
    assert fake.body.closed


def test_of_an_object_over_the_limit_one_byte_more_is_read_and_no_further() -> None:
    fake = S3(Body(b"{}".ljust(evaluations.LARGEST_STATISTICS * 3)))
    with pytest.raises(InputError, match="is larger than 1 MiB"):
        reader(fake).statistics(URI)
    assert (fake.body.taken, fake.body.closed) == (evaluations.LARGEST_STATISTICS + 1, True)


def test_an_object_that_was_cut_off_on_its_way_may_arrive_whole_later() -> None:
    fake = S3(Body(b'{"regression_metrics": {"mse": {"value": 4.9}}}', announced=900))
    with pytest.raises(TransientAwsError):
        reader(fake).statistics(URI)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDenied", 403, PermanentAwsError),
        ("SlowDown", 503, TransientAwsError),
        ("InternalError", 500, TransientAwsError),
        ("NoSuchKey", 404, InputError),
    ],
)
def test_a_refusal_tells_whether_to_try_again(code: str, status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        reader(S3(code=code, status=status)).statistics(URI)


def test_a_denied_object_is_named() -> None:
    with pytest.raises(PermanentAwsError, match=f"^{URI}: s3:GetObject: AccessDenied: no$"):
        reader(S3(code="AccessDenied", status=403)).statistics(URI)


# --- differences ----------------------------------------------------------------------------------------------------


def test_differences_are_decimals_in_their_order(aws: EmbeddedAws, s3: Evaluations) -> None:
    aws.models.put(URI, b"[0.1, -2, 3e-2]")
    assert s3.differences(URI) == (Decimal("0.1"), Decimal(-2), Decimal("0.03"))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("[1]", f"{URI} is a list of 1, expected 2 to 1,000,000 differences"),
        ("[]", f"{URI} is a list of 0, expected 2 to 1,000,000 differences"),
        ("{}", f"{URI} is an object, expected a list"),
        ("[1, NaN]", f"difference 2 in {URI} is NaN, expected a finite number"),
        ("[-Infinity, 1]", f"difference 1 in {URI} is -Infinity, expected a finite number"),
        ("[1, true]", f"difference 2 in {URI} is true or false, expected a finite number"),
        ('[1, "2"]', f"difference 2 in {URI} is a text, expected a finite number"),
        ("[1, null]", f"difference 2 in {URI} is null, expected a finite number"),
    ],
)
def test_other_lists_are_refused_by_position(aws: EmbeddedAws, s3: Evaluations, body: str, sentence: str) -> None:
    aws.models.put(URI, body.encode())
    with pytest.raises(InputError) as error:
        s3.differences(URI)
    assert str(error.value).startswith(sentence)


def test_a_million_differences_are_read_and_one_more_is_refused() -> None:
    most = evaluations.MOST_DIFFERENCES
    assert len(reader(S3(Body(b"[" + b"1," * (most - 1) + b"1]"))).differences(URI)) == most
    with pytest.raises(InputError, match="is a list of 1,000,001"):
        reader(S3(Body(b"[" + b"1," * most + b"1]"))).differences(URI)


# --- what it was measured on ----------------------------------------------------------------------------------------


def etag(s3: Evaluations, uri: str) -> str | None:
    found = s3.content(uri)
    return found.etag if found is not None else None


def test_an_object_is_known_by_its_etag(aws: EmbeddedAws, s3: Evaluations) -> None:
    first = aws.models.put(URI, {"a": 1})
    assert etag(s3, URI) == first
    assert aws.models.put(URI, {"a": 2}) == etag(s3, URI) != first


def test_an_object_and_a_prefix_tell_when_any_of_it_was_written_last(aws: EmbeddedAws, s3: Evaluations) -> None:
    early, late = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 8, tzinfo=UTC)
    aws.models.put(f"{BUCKET}/test/a.csv", b"1", at=late)
    aws.models.put(f"{BUCKET}/test/b.csv", b"2", at=early)
    for uri, at in ((f"{BUCKET}/test/a.csv", late), (f"{BUCKET}/test/b.csv", early), (f"{BUCKET}/test/", late)):
        found = s3.content(uri)
        assert found is not None
        assert found.changed_at == at


@pytest.mark.parametrize("uri", [f"{BUCKET}/validation", f"{BUCKET}/validation/"])
def test_a_prefix_is_known_by_all_that_is_under_it(aws: EmbeddedAws, s3: Evaluations, uri: str) -> None:
    aws.models.put(f"{BUCKET}/validation/", b"")  # as the console makes a folder
    aws.models.put(f"{BUCKET}/validation/b.csv", b"2")
    aws.models.put(f"{BUCKET}/validation/a.csv", b"1")
    before = etag(s3, uri)
    assert before is not None
    assert etag(s3, uri) == before
    aws.models.put(f"{BUCKET}/validation/a.csv", b"3")
    changed = etag(s3, uri)
    aws.models.put(f"{BUCKET}/validation/c.csv", b"")
    assert len({before, changed, etag(s3, uri)}) == 3


def test_what_is_not_there_has_no_etag(s3: Evaluations) -> None:
    assert etag(s3, f"{BUCKET}/nothing") is None
    assert etag(s3, "s3://no-such-bucket/nothing/") is None


def test_a_prefix_of_a_thousand_objects_is_known_and_one_of_more_is_not(aws: EmbeddedAws, s3: Evaluations) -> None:
    for number in range(evaluations.MOST_OBJECTS):
        aws.models.put(f"{BUCKET}/many/{number}", b"")
    assert etag(s3, f"{BUCKET}/many/") is not None
    aws.models.put(f"{BUCKET}/many/last", b"")
    assert etag(s3, f"{BUCKET}/many/") is None


def test_an_etag_that_is_denied_is_an_error_and_not_unknown() -> None:
    with pytest.raises(PermanentAwsError):
        reader(S3(code="403", status=403)).content(URI)


def test_a_report_is_json_as_any_encoder_writes_it(aws: EmbeddedAws, s3: Evaluations) -> None:
    report = {"slices": {"country=DE": {"recall": {"value": 0.81}}}}
    aws.models.put(URI, json.dumps(report, indent=2).encode("utf-8-sig"))
    assert s3.statistics(URI) == {"recall@country=DE": Reading(Decimal("0.81"))}
