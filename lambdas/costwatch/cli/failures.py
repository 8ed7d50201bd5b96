"""Errors as a person at a terminal gets them: one line each, and product's exit codes."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from costwatch.cli import show
from costwatch.errors import AwsError, CostwatchError, InputError, NotDeployedError, RefusedError

UNEXPECTED, BAD_INPUT, UNKNOWN, DENIED = 1, 2, 3, 4
REJECTED, PENDING = 7, 8
COMPLETE_VARIABLE: Final = "_COSTWATCH_COMPLETE"
"""Set by the completion scripts: what a shell wants to know."""
_FRAMES = 3

_NO_PERMISSION: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "ForbiddenException",
        "UnauthorizedAccess",
        "UnauthorizedOperation",
    }
)
_SIGN_IN: Final = "sign in again, or check AWS_PROFILE and the keys"
_BAD_SET_UP: Final = {
    "NoCredentialsError": "no AWS credentials were found: sign in, or set AWS_PROFILE",
    "PartialCredentialsError": f"the AWS credentials are incomplete: {_SIGN_IN}",
    "CredentialRetrievalError": f"the AWS credentials could not be had: {_SIGN_IN}",
    "TokenRetrievalError": f"the single sign-on session is over: {_SIGN_IN}",
    "SSOTokenLoadError": f"there is no single sign-on session: {_SIGN_IN}",
    "UnauthorizedSSOTokenError": f"the single sign-on session is over: {_SIGN_IN}",
    "ExpiredToken": f"the AWS credentials have expired: {_SIGN_IN}",
    "ExpiredTokenException": f"the AWS credentials have expired: {_SIGN_IN}",
    "RequestExpired": f"the AWS credentials have expired: {_SIGN_IN}",
    "InvalidClientTokenId": f"AWS does not know these credentials: {_SIGN_IN}",
    "UnrecognizedClientException": f"AWS does not know these credentials: {_SIGN_IN}",
    "AuthFailure": f"AWS does not take these credentials (or the region is not enabled): {_SIGN_IN}",
    "SignatureDoesNotMatch": f"AWS does not take the signature: {_SIGN_IN}",
    "InvalidSignatureException": f"AWS does not take the signature: {_SIGN_IN}",
    "ProfileNotFound": "",
    "NoRegionError": "no region: give --region or set AWS_REGION",
    "UnknownRegionError": "AWS has no such region",
    "InvalidRegionError": "AWS has no such region",
    "ResourceNotFoundException": "the deployment names something that is not there: deploy again",
}


class Commands(click.Group):
    """A group whose commands answer with an exit code, and whose errors are lines and not tracebacks."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, then exit: 0, 1 unexpected, 2 bad input, 4 denied; or with what the command answers."""
        if not args and extra.get("args") is None:
            # A process of its own: what is imported now stays, so nobody needs to look for garbage in it. See `begun`.
            # And at its end nobody needs to look for any at all, which takes Python longer than most commands.
            gc.disable()
            atexit.register(gc.freeze)
        extra["standalone_mode"] = False
        extra["complete_var"] = COMPLETE_VARIABLE
        if os.environ.get(COMPLETE_VARIABLE):
            self._answer_shell(*args, **extra)
        try:
            code = super().main(*args, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(BAD_INPUT)
        except click.ClickException as error:
            _tell(error.format_message())
            if isinstance(error, click.UsageError) and error.ctx is not None:
                _tell(f"see {error.ctx.command_path} --help")
            sys.exit(BAD_INPUT)
        except click.Abort:
            _tell("interrupted")
            sys.exit(UNEXPECTED)
        except CostwatchError as error:
            for line in lines_of(error):
                _tell(line)
            sys.exit(exit_code(error))
        except Exception as error:  # noqa: BLE001 - the outermost place: told, with where, and never swallowed
            _tell_unexpected(error)
            sys.exit(UNEXPECTED)
        sys.exit(code if isinstance(code, int) else 0)

    def _answer_shell(self, *args: Any, **extra: Any) -> NoReturn:
        """What a shell asks on a tab: completions and nothing else, whatever happens."""
        # A word from here would land in the line that somebody types.
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere), suppress(Exception):
            super().main(*args, **extra)
        sys.exit(0)


def begun() -> None:
    """The command's modules are there: from now on garbage is looked for again, and not in them."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def exit_code(error: CostwatchError) -> int:
    """2 for what the caller must mend, 4 for what is not allowed, 1 for what went wrong by itself."""
    if isinstance(error, RefusedError) or is_denied(error):
        return DENIED
    if isinstance(error, InputError | NotDeployedError) or (isinstance(error, AwsError) and error.code in _BAD_SET_UP):
        return BAD_INPUT
    return UNEXPECTED


def is_denied(error: CostwatchError) -> bool:
    """Whether AWS says that these credentials may not."""
    return isinstance(error, AwsError) and error.code in _NO_PERMISSION


def lines_of(error: CostwatchError) -> Iterator[str]:
    """The error's lines; only a configuration has more than one."""
    if isinstance(error, AwsError):
        hint = _BAD_SET_UP.get(error.code, "")
        if error.code in _NO_PERMISSION:
            hint = "your credentials do not allow it"
        elif error.retry:
            hint = "AWS did not answer as it should; try again (is the region right, is there a network?)"
        yield " ".join(f"{hint}: {error}".split() if hint else str(error).split())
        return
    yield from (line for line in str(error).splitlines() if line.strip())


def _tell(text: str) -> None:
    """A line each; folded at words on a narrow terminal."""
    for line in text.splitlines():
        show.say(show.console(stderr=True), f"costwatch: {line}")


def _tell_unexpected(error: Exception) -> None:
    _tell(f"unexpected {type(error).__name__}: {error}")
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    for frame in frames:
        click.echo(f"  at {Path(frame.filename).name}:{frame.lineno} in {frame.name}", err=True)
    _tell("this is a fault of Costwatch and not of yours: please report it with the lines above")
