"""What the stack is built from, checked before anything is: the configuration, the account, the home region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from costwatch import names
from costwatch.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Inputs:
    """A validated configuration, and where it is deployed."""

    policy_document: Mapping[str, Any]
    """What ships as policy.json."""
    slack_token_parameter: str
    """Name of the SSM parameter with Slack's token; empty where Slack is not configured."""
    slack_signing_secret_parameter: str
    """Name of the SSM parameter with the secret that Slack signs with; empty where Slack is not configured."""
    alert_emails: tuple[str, ...]
    """Subscribed to the alerts topic; each must confirm once."""
    account: str | None
    """None: whichever account the deploy runs in."""
    home_region: str

    @property
    def policy(self) -> Mapping[str, Any]:
        body: Mapping[str, Any] = self.policy_document["policy"]
        return body

    @property
    def has_slack(self) -> bool:
        return bool(self.policy["slack"]["platform_channel"])

    @property
    def has_models(self) -> bool:
        return bool(self.policy.get("res", {}).get("models"))

    @property
    def burn_limit_usd_per_hour(self) -> Decimal:
        """What runs an hour without an alarm."""
        configured = self.policy.get("alarms", {}).get("burn_usd_per_hour", names.DEFAULT_BURN_LIMIT_USD_PER_HOUR)
        return Decimal(configured)

    @classmethod
    def of(
        cls,
        policy_document: Mapping[str, Any],
        *,
        slack_token_parameter: str = names.DEFAULT_SLACK_TOKEN_PARAMETER,
        slack_signing_secret_parameter: str = names.DEFAULT_SLACK_SIGNING_SECRET_PARAMETER,
        alert_emails: tuple[str, ...] = (),
        environ: Mapping[str, str],
    ) -> Inputs:
        """Inputs for the account the CDK command line found, which it tells in `environ`.

        The home region is the first of the policy's regions, whatever region the credentials default to: where the
        watchdog lives is a decision of the reviewed file. Raises ConfigError where the configuration names another
        account than the credentials.
        """
        policy = policy_document["policy"]
        found = environ.get("CDK_DEFAULT_ACCOUNT") or None
        wanted = policy["account"]
        if wanted and found and wanted != found:
            raise ConfigError(
                f"refused: the configuration is for account {wanted} and these credentials are for {found}"
            )
        return cls(
            policy_document=policy_document,
            slack_token_parameter=slack_token_parameter if policy["slack"]["platform_channel"] else "",
            slack_signing_secret_parameter=(
                slack_signing_secret_parameter if policy["slack"]["platform_channel"] else ""
            ),
            alert_emails=alert_emails,
            account=wanted or found,
            home_region=policy["regions"][0],
        )
