"""A synthesized cloud assembly as a template that needs no CDK: a parameter names the bucket of its code."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from costwatch import names
from costwatch.errors import InputError

BUCKET_PARAMETER: Final = "AssetBucket"
FOLDER: Final = "costwatch"
"""Where template and code lie in a bucket."""
_BOOTSTRAP: Final = {"Parameters": "BootstrapVersion", "Rules": "CheckBootstrapVersion"}
"""What the CDK adds so that its own command line refuses an account without its bucket and roles."""
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
_READABLE: Final = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class Assembly:
    """One stack and the one asset that its functions share. `account` None: the template fits every account."""

    template: Mapping[str, Any]
    code: Path
    code_hash: str
    region: str
    account: str | None
    policy_digest: str
    """Of the configuration that the code carries."""

    @property
    def code_key(self) -> str:
        """Where the template has the functions' code from, in whichever bucket: another code, another key."""
        return _code_key(self.code_hash)


def read_assembly(directory: Path) -> Assembly:
    """Read what `make synth` or `cdk synth` wrote. Raises InputError for anything else."""
    if not (directory / "manifest.json").is_file():
        raise InputError(f"{directory} holds no synthesized stack, expected what `make synth` writes: run it first")
    try:
        artifact = _document(directory / "manifest.json")["artifacts"][names.STACK]
        account, region = artifact["environment"].removeprefix("aws://").split("/")
        template = _document(directory / artifact["properties"]["templateFile"])
        files = _document(directory / f"{names.STACK}.assets.json")["files"]
        ((code_hash, file),) = [each for each in files.items() if each[1]["source"]["packaging"] == "zip"]
        (place,) = file["destinations"].values()
        code = directory / file["source"]["path"]
        policy = _document(code / names.POLICY_FILE)
        made = _by_parameter(template, place["objectKey"], place["bucketName"], _code_key(code_hash))
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{directory} is not what `make synth` of this version writes: run it again "
            f"({type(error).__name__}: {error})"
        ) from error
    known = None if account == "unknown-account" else account
    return Assembly(made, code, code_hash, region, known, str(policy.get("digest", "")))


def template_text(assembly: Assembly, *, bucket: str) -> str:
    """The template as JSON, with the parameter's default; `bucket` empty: whoever deploys it must name one.

    The key is no parameter: an update keeps the values that parameters had, and the old code would stay with the new
    roles, though the deploy says that it went well.
    """
    where = {
        "Type": "String",
        "Description": "Bucket with the functions' code, in the region of the stack",
        **({"Default": bucket} if bucket else {}),
    }
    parameters = {**assembly.template.get("Parameters", {}), BUCKET_PARAMETER: where}
    return json.dumps({**assembly.template, "Parameters": parameters}, indent=1) + "\n"


def write_zip(assembly: Assembly, to: Path) -> None:
    """The code as Lambda takes it: the same bytes for the same files, whenever and wherever."""
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(each for each in assembly.code.rglob("*") if each.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(assembly.code).as_posix(), _EARLIEST)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, _READABLE
            packed.writestr(entry, path.read_bytes())


def digest(text: str) -> str:
    """Of a template, for its key: what is under a key never changes."""
    return hashlib.sha256(text.encode()).hexdigest()


def _by_parameter(template: Mapping[str, Any], key: str, bucket: str, packed: str) -> Mapping[str, Any]:
    """Without what needs the CDK's bootstrap. Raises ValueError where something of it is left."""
    made: Mapping[str, Any] = _placed(template, key, packed)
    for section, name in _BOOTSTRAP.items():
        left = {k: v for k, v in made.get(section, {}).items() if k != name}
        made = {k: v for k, v in made.items() if k != section} | ({section: left} if left else {})
    if bucket in json.dumps(made):
        raise ValueError(f"the template names {bucket} for something else than the functions' code")
    return made


def _code_key(code_hash: str) -> str:
    return f"{FOLDER}/{code_hash}.zip"


def _placed(value: Any, key: str, packed: str) -> Any:
    if isinstance(value, list):
        return [_placed(each, key, packed) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("S3Key") == key:
        return {**value, "S3Bucket": {"Ref": BUCKET_PARAMETER}, "S3Key": packed}
    return {name: _placed(each, key, packed) for name, each in value.items()}


def _document(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))
