"""A permissions boundary as people give it on the command line, where every context value is text."""

from __future__ import annotations

from typing import Any

import pytest

from costwatch.errors import ConfigError
from infra.runtime import use_node

use_node()
import aws_cdk as cdk  # noqa: E402, importing it starts Node

from infra.compose import BOUNDARY_CONTEXT, read_boundary  # noqa: E402


def boundary_of(value: Any) -> Any:
    app = cdk.App(context={BOUNDARY_CONTEXT: value})
    read_boundary(app)
    return app.node.try_get_context(BOUNDARY_CONTEXT)


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("org-boundary", {"name": "org-boundary"}),
        ("arn:aws:iam::111122223333:policy/org", {"arn": "arn:aws:iam::111122223333:policy/org"}),
        ('{"name": "org-boundary"}', {"name": "org-boundary"}),
        ({"name": "org-boundary"}, {"name": "org-boundary"}),
    ],
)
def test_a_boundary_given_as_text_is_not_silently_ignored(given: Any, understood: dict[str, str]) -> None:
    assert boundary_of(given) == understood


@pytest.mark.parametrize("given", ["", "{broken", "{}", {"nam": "typo"}])
def test_a_boundary_that_names_no_policy_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match="names no policy"):
        boundary_of(given)
