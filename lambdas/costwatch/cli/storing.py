"""The command that stores a secret: it is pasted in, so that it stands neither on a command line nor in its history."""

from __future__ import annotations

from typing import Final

BEGINNING: Final = "read -rs SECRET"
"""It waits for a line and shows nothing; bash and zsh know it."""


def command(parameter: str, region: str) -> str:
    """One line to copy. What was stored before under that name is replaced."""
    put = f"aws ssm put-parameter --name {parameter} --region {region} --type SecureString --overwrite"
    return f'{BEGINNING} && {put} --value "$SECRET"'
