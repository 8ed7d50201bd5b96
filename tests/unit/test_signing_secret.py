"""The signing secret is kept for minutes, and asked for again when it does not fit, but not for every piece of junk."""

from __future__ import annotations

import pytest

from costwatch.adapters.signing_secret import AGAIN_SECONDS, KEPT_SECONDS, SigningSecret
from costwatch.errors import AwsError, PermanentAwsError, TransientAwsError

ABSENT = PermanentAwsError("ssm:GetParameter: ParameterNotFound: ", code="ParameterNotFound")
DENIED = PermanentAwsError("ssm:GetParameter: AccessDeniedException: ", code="AccessDeniedException")
DOWN = TransientAwsError("ssm:GetParameter: no answer", code="Timeout")


class Parameter:
    """A parameter, the time, and how often it was asked for."""

    def __init__(self, value: str | AwsError = "old") -> None:
        self.value = value
        self.now = 1000.0
        self.asked: list[float] = []
        self.secret = SigningSecret(self._read, monotonic=lambda: self.now)

    def _read(self, seconds: float) -> str:
        self.asked.append(seconds)
        if isinstance(self.value, AwsError):
            raise self.value
        return self.value


def test_it_is_read_once_and_kept_until_five_minutes_have_passed() -> None:
    parameter = Parameter()
    assert [parameter.secret.current(2.0) for _ in range(3)] == ["old"] * 3
    parameter.value = "new"
    parameter.now += KEPT_SECONDS - 1
    assert parameter.secret.current(2.0) == "old"
    parameter.now += 1
    assert parameter.secret.current(1.5) == "new"
    assert parameter.asked == [2.0, 1.5]


def test_what_stands_around_it_is_no_part_of_it() -> None:
    assert Parameter(" old\n").secret.current(2.0) == "old"


def test_a_rotated_one_is_found_half_a_minute_after_the_last_reading_and_not_earlier() -> None:
    parameter = Parameter()
    old = parameter.secret.current(2.0)
    parameter.value = "new"
    parameter.now += AGAIN_SECONDS - 1
    assert parameter.secret.newer(old, 2.0) is None
    parameter.now += 1
    assert parameter.secret.newer(old, 2.0) == "new"
    assert parameter.secret.current(2.0) == "new"


def test_junk_has_it_read_twice_a_minute_at_most() -> None:
    parameter = Parameter()
    for _ in range(1200):
        assert parameter.secret.newer(parameter.secret.current(2.0), 2.0) is None
        parameter.now += 0.05
    assert len(parameter.asked) == 2


def test_whoever_tried_with_the_one_before_gets_the_one_that_another_thread_has_read_since() -> None:
    parameter = Parameter("new")
    parameter.secret.current(2.0)
    assert parameter.secret.newer("old", 2.0) == "new"
    assert len(parameter.asked) == 1


def test_one_that_is_not_there_is_empty_and_is_looked_for_again_after_half_a_minute() -> None:
    parameter = Parameter(ABSENT)
    assert [parameter.secret.current(2.0) for _ in range(3)] == [""] * 3
    assert len(parameter.asked) == 1
    parameter.value = "old"
    parameter.now += AGAIN_SECONDS
    assert parameter.secret.current(2.0) == "old"


def test_one_that_was_deleted_verifies_nothing_any_more() -> None:
    parameter = Parameter()
    parameter.secret.current(2.0)
    parameter.value = ABSENT
    parameter.now += KEPT_SECONDS
    assert parameter.secret.current(2.0) == ""


def test_while_it_cannot_be_read_for_a_passing_reason_the_last_one_stays() -> None:
    parameter = Parameter()
    parameter.secret.current(2.0)
    parameter.value = DOWN
    parameter.now += KEPT_SECONDS
    assert parameter.secret.current(2.0) == "old"
    assert parameter.secret.newer("old", 2.0) is None


@pytest.mark.parametrize("error", [DOWN, DENIED])
def test_one_that_was_never_read_is_not_taken_for_an_empty_one(error: AwsError) -> None:
    parameter = Parameter(error)
    with pytest.raises(type(error)):
        parameter.secret.current(2.0)


def test_one_that_may_no_longer_be_read_is_said_aloud() -> None:
    parameter = Parameter()
    parameter.secret.current(2.0)
    parameter.value = DENIED
    parameter.now += KEPT_SECONDS
    with pytest.raises(PermanentAwsError):
        parameter.secret.current(2.0)
