"""package: the synthesized stack as one template and one zip, for accounts where the CDK may not be bootstrapped."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import click

from costwatch import names
from costwatch.adapters.aws_errors import translated
from costwatch.cli import kept_files, show
from costwatch.cli.assembly import BUCKET_PARAMETER, FOLDER, Assembly, digest, read_assembly, template_text, write_zip
from costwatch.cli.options import as_argument, as_json, with_session
from costwatch.cli.session import Session
from costwatch.errors import InputError, PermanentAwsError, RefusedError

TEMPLATE: Final = "costwatch.template.json"
_BUCKET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LIES_THERE: Final = "PreconditionFailed"


@click.command(short_help="Template and zip, to deploy without the CDK.")
@click.option(
    "--bucket", default="", help="Put both into this bucket; you may write to it, and it is the stack's region."
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Write both here instead; needs no AWS.")
@click.option(
    "--assembly",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default="cdk.out",
    show_default=True,
    help="What `make synth` wrote.",
)
@as_json
@with_session
def package(session: Session, bucket: str, out: Path | None, directory: Path, as_json: bool) -> None:
    """Write the stack as one CloudFormation template and one zip of code.

    It is for whoever may not bootstrap the CDK, or deploys by Terraform: nothing of either needs the CDK, its bucket or
    its roles. The parameter AssetBucket of the template says which bucket has the zip. First run `make synth`.

    With --bucket both go there, under names made of what is in them; what lies there already is never written over.
    With --out they go into a directory, and --bucket is merely the default of AssetBucket.
    """
    if out is None and not bucket:
        raise InputError("--bucket or --out is missing: where should template and zip go?")
    if bucket and not _BUCKET_NAME.fullmatch(bucket):
        raise InputError(f"--bucket is {bucket!r}, expected the name of an S3 bucket such as my-company-lambda-code")
    assembly = read_assembly(directory)
    _check(session, assembly, directory)
    key = assembly.code_key
    text = template_text(assembly, bucket=bucket)
    if out is not None:
        written = _into_directory(assembly, text, out)
        how = _by_hand(assembly, out, bucket or "BUCKET", key)
    else:
        with show.busy("Uploading"):
            written = _into_bucket(session, assembly, text, bucket, key)
        how = _by_url(assembly, url(assembly.region, bucket, f"{FOLDER}/{digest(text)}.template.json"))
    if as_json:
        show.document({"region": assembly.region, "account": assembly.account, "written": written, "then": how})
        return
    screen = show.console()
    for place, standing in written.items():
        show.say(screen, f"{standing}: {place}")
    show.say(screen, f"Deploy it in {assembly.account or 'any account'}, {assembly.region}:")
    for line in how:
        click.echo(line)


def url(region: str, bucket: str, key: str) -> str:
    """Where CloudFormation finds a template."""
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{region}.{domain}/{bucket}/{key}"


def _check(session: Session, assembly: Assembly, directory: Path) -> None:
    """Raises InputError for an assembly that is not of the configuration here, or not of the region that is named."""
    if session.named_region not in (None, assembly.region):
        raise InputError(f"--region is {session.named_region}, and {directory} is for {assembly.region}")
    if session.config_path.exists() and session.policy.digest != assembly.policy_digest:
        raise InputError(
            f"{directory} was not made from {session.config_path} as it is now: run `make synth` again, or name the "
            "configuration that it was made from with --config"
        )


def _into_directory(assembly: Assembly, text: str, out: Path) -> dict[str, str]:
    try:
        out.mkdir(parents=True, exist_ok=True)
        packed = out / f"{assembly.code_hash}.zip"
        for each in (packed, out / TEMPLATE):
            kept_files.require_place(each)
        write_zip(assembly, packed)
        (out / TEMPLATE).write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"--out: {error}") from error
    return {str(packed): "written", str(out / TEMPLATE): "written"}


def _into_bucket(session: Session, assembly: Assembly, text: str, bucket: str, key: str) -> dict[str, str]:
    """Raises InputError for a bucket that Lambda could not read the code from."""
    s3 = session.client("s3", assembly.region)
    try:
        with translated(f"s3:HeadBucket {bucket}"):
            where = s3.head_bucket(Bucket=bucket).get("BucketRegion", assembly.region)
    except PermanentAwsError as error:  # an answer to HEAD has no body, and so no other code than its status
        if error.code in ("404", "NoSuchBucket"):
            raise InputError(f"--bucket {bucket} is not there") from error
        if error.code == "403":
            raise RefusedError(f"--bucket {bucket}: your credentials may not look at it") from error
        raise
    if where != assembly.region:
        raise InputError(f"--bucket {bucket} is in {where}, expected one in {assembly.region}: Lambda takes no other")
    with TemporaryDirectory() as scratch:
        packed = Path(scratch, "code.zip")
        write_zip(assembly, packed)
        with packed.open("rb") as body:
            done = {key: _put(lambda: s3.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*"))}
    place = f"{FOLDER}/{digest(text)}.template.json"
    done[place] = _put(lambda: s3.put_object(Bucket=bucket, Key=place, Body=text.encode(), IfNoneMatch="*"))
    return {f"s3://{bucket}/{each}": standing for each, standing in done.items()}


def _put(write: Callable[[], Any]) -> str:
    try:
        with translated("s3:PutObject"):
            write()
    except PermanentAwsError as error:
        if error.code != _LIES_THERE:
            raise
        return "lies there already"
    return "written"


def _by_url(assembly: Assembly, template: str) -> list[str]:
    return [
        f"aws cloudformation create-stack --region {assembly.region} --stack-name {names.STACK} \\",
        f"  --template-url {template} \\",
        "  --capabilities CAPABILITY_NAMED_IAM    # of a stack that is there: update-stack",
    ]


def _by_hand(assembly: Assembly, out: Path, bucket: str, key: str) -> list[str]:
    return [
        f"aws s3 cp {as_argument(out / f'{assembly.code_hash}.zip')} s3://{bucket}/{key}",
        f"aws cloudformation deploy --region {assembly.region} --stack-name {names.STACK} \\",
        f"  --template-file {as_argument(out / TEMPLATE)} --s3-bucket {bucket} \\",
        f"  --capabilities CAPABILITY_NAMED_IAM --parameter-overrides {BUCKET_PARAMETER}={bucket}",
    ]
