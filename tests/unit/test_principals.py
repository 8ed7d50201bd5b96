"""Who an AWS principal is among the names that a configuration or a tag has for it."""

from __future__ import annotations

import pytest

from costwatch.core import principals

SESSION = "arn:aws:sts::111122223333:assumed-role/Platform/john"
USER = "arn:aws:iam::111122223333:user/ml/maria"


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        (SESSION, True),
        ("arn:aws:iam::111122223333:role/Platform", True),
        ("arn:aws:iam::111122223333:role/ml/team-a/Platform", True),  # a session's ARN has lost the path
        ("arn:aws:iam::111122223333:role/MyPlatform", False),
        ("arn:aws:iam::111122223333:role/Platform2", False),
        ("arn:aws:iam::111122223333:role/Platform/other", False),
        ("arn:aws:iam::444455556666:role/Platform", False),
        ("arn:aws-cn:iam::111122223333:role/Platform", False),
        ("arn:aws:iam::111122223333:user/Platform", False),
        ("arn:aws:sts::111122223333:assumed-role/Platform/maria", False),
        ("arn:aws:sts::111122223333:assumed-role/Platform", False),
        ("U012AB3CD", False),
        ("@platform", False),
    ],
)
def test_a_session_is_listed_by_its_own_arn_or_by_its_roles(listed: str, found: bool) -> None:
    assert principals.listed_as(SESSION, ["@risk", listed]) == (frozenset({listed}) if found else frozenset())


def test_a_role_whose_name_has_a_dot_is_no_pattern() -> None:
    dotted = "arn:aws:sts::111122223333:assumed-role/a.b/john"
    assert principals.listed_as(dotted, ["arn:aws:iam::111122223333:role/axb"]) == frozenset()


@pytest.mark.parametrize(
    ("listed", "found"),
    [(USER, True), ("arn:aws:iam::111122223333:user/maria", False), (f"{USER}2", False), (USER.upper(), False)],
)
def test_a_user_is_listed_by_exactly_its_arn(listed: str, found: bool) -> None:
    assert bool(principals.listed_as(USER, [listed])) is found


def test_nobody_is_listed_where_nobody_is() -> None:
    assert principals.listed_as(SESSION, []) == frozenset()
    assert principals.listed_as("", ["@risk", SESSION]) == frozenset()


@pytest.mark.parametrize(
    ("arn", "shown"),
    [
        (SESSION, "john (Platform)"),
        (USER, "maria"),
        ("arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:root"),
        ("arn:aws:sts::111122223333:assumed-role/SSO_x/a@b.c", "a@b.c (SSO_x)"),
    ],
)
def test_people_read_a_name(arn: str, shown: str) -> None:
    assert principals.shown(arn) == shown


@pytest.mark.parametrize(
    ("owner", "is_owner"),
    [
        ("john", True),
        ("John@example.com", True),
        (SESSION, True),
        ("johnny", False),
        ("maria@example.com", False),
        ("Platform", False),
        ("", False),
    ],
)
def test_an_owner_tag_means_a_caller_by_arn_name_or_address(owner: str, is_owner: bool) -> None:
    assert principals.is_owner(SESSION, owner) is is_owner
