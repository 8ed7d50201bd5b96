"""slack-manifest: the Slack app that a deployment needs, with its address filled in."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from costwatch.cli import show
from costwatch.cli.options import with_session
from costwatch.cli.session import Session
from costwatch.errors import InputError, NotDeployedError

TEMPLATE: Final = Path(__file__).with_name("slack-manifest.yaml")
PLACEHOLDER: Final = "https://costwatch.invalid/slack"
_PATH: Final = "/slack"
_EXPECTED: Final = "an address such as https://abc123.execute-api.us-east-1.amazonaws.com"
_HOST: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?", re.IGNORECASE)
_SEGMENTS: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")


@click.command("slack-manifest", short_help="Print the manifest of the Slack app.")
@click.option("--url", help="Where the deployment takes clicks, with or without /slack.  [default: as deployed]")
@with_session
def slack_manifest(session: Session, url: str | None) -> None:
    """Print the manifest of the Slack app that Costwatch needs, with the address that its buttons call.

    Paste it at https://api.slack.com/apps under Create New App, From a manifest. With --url it asks nothing of AWS.
    """
    address = request_url(url) if url is not None else request_url(_deployed(session))
    click.echo(manifest(address), nl=False)
    show.note(f"buttons call {address}: Slack must reach it")


def request_url(written: str) -> str:
    """The address with /slack at its end. Raises InputError for what Slack could not call."""
    try:
        parts = urlsplit(written)
    except ValueError:
        raise InputError(f"{written!r} is not {_EXPECTED}") from None
    if parts.scheme != "https":
        raise InputError(
            f"{written!r} does not begin with https://, the only thing that Slack calls; expected {_EXPECTED}"
        )
    if "?" in written or "#" in written:
        raise InputError(f"{written!r} has a query or a fragment; expected {_EXPECTED}, and nothing behind its path")
    # urlsplit drops line ends and blanks around an address, so what was written is looked at too.
    if not _HOST.fullmatch(parts.netloc) or not _SEGMENTS.fullmatch(parts.path) or parts.geturl() != written:
        raise InputError(f"{written!r} is not {_EXPECTED}")
    path = parts.path.rstrip("/")
    return f"https://{parts.netloc}{path if path.endswith(_PATH) else path + _PATH}"


def manifest(address: str) -> str:
    """The manifest as YAML, for clicks that go to `address`."""
    return TEMPLATE.read_text(encoding="utf-8").replace(PLACEHOLDER, address)


def _deployed(session: Session) -> str:
    try:
        found = session.deployment.slack_url
    except NotDeployedError as error:
        raise NotDeployedError(f"{error}; or give the address with --url") from error
    if not found:
        raise NotDeployedError(
            "the deployed Costwatch takes no clicks yet: deploy this version with slack.platform_channel set, or give "
            "the address with --url"
        )
    return found
