"""costwatch package: a synthesized stack as one template and one zip that need nothing of the CDK's."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from costwatch import names
from costwatch.cli.main import main
from costwatch.cli.session import Tools
from tests.support import assembly
from tests.support.assembly import CDKS, CODE, HASH
from tests.support.command_line import CONFIG, client_error


@dataclass
class FakeS3:
    region: str = "us-east-1"
    objects: dict[str, bytes] = field(default_factory=dict)
    error: Exception | None = None

    def head_bucket(self, *, Bucket: str) -> dict[str, Any]:  # noqa: N803 - boto3's own name
        if self.error is not None:
            raise self.error
        return {"BucketRegion": self.region}

    def put_object(self, *, Bucket: str, Key: str, Body: Any, IfNoneMatch: str) -> None:  # noqa: N803
        assert IfNoneMatch == "*"
        place = f"{Bucket}/{Key}"
        if place in self.objects:
            raise client_error("PreconditionFailed", "PutObject")
        self.objects[place] = Body if isinstance(Body, bytes) else Body.read()


class Desk:
    """A checkout with a configuration and what was synthesized from it."""

    def __init__(self, directory: Path) -> None:
        self.config = directory / "costwatch.yaml"
        self.config.write_text(CONFIG, "utf-8")
        self.assembly = directory / "cdk.out"
        self.s3 = FakeS3()
        assembly.write(self.assembly, self.config)

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        (self.assembly / name).write_text(json.dumps(document), "utf-8")

    def package(self, *arguments: str) -> Result:
        wanted = ["package", "--assembly", str(self.assembly), "--config", str(self.config), *arguments]
        return CliRunner().invoke(
            main, wanted, obj=Tools(environ={}, clients={"s3": self.s3}), env={"COLUMNS": "200", "NO_COLOR": "1"}
        )


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_directory_gets_a_template_that_asks_where_the_code_lies_and_the_code(desk: Desk, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = desk.package("--out", str(out))
    assert result.exit_code == 0, result.output
    assert {each.name for each in out.iterdir()} == {"costwatch.template.json", f"{HASH}.zip"}
    template = json.loads((out / "costwatch.template.json").read_text("utf-8"))
    code = {"S3Bucket": {"Ref": "AssetBucket"}, "S3Key": f"costwatch/{HASH}.zip"}
    assert [each["Properties"].get("Code") for each in template["Resources"].values()] == [None, code, code]
    assert "Rules" not in template
    assert "Default" not in template["Parameters"]["AssetBucket"]
    assert list(template["Parameters"]) == ["AssetBucket"]
    assert f"aws s3 cp {out}/{HASH}.zip s3://BUCKET/costwatch/{HASH}.zip" in result.output
    assert "--parameter-overrides AssetBucket=BUCKET" in result.output


def test_an_update_brings_its_own_code_though_each_parameter_keeps_the_value_it_had(desk: Desk, tmp_path: Path) -> None:
    """`aws cloudformation deploy` says UsePreviousValue of whatever it is not told."""
    codes = []
    for code_hash in (HASH, "0123456789ab"):
        files = json.loads((desk.assembly / f"{names.STACK}.assets.json").read_text("utf-8"))["files"]
        asset = files.pop(HASH, None) or files.pop(next(iter(files)))
        place = {"bucketName": CDKS, "objectKey": f"{code_hash}.zip", "region": "us-east-1"}
        desk.write(f"{names.STACK}.assets.json", {"files": {code_hash: {**asset, "destinations": {"here": place}}}})
        code = {**CODE, "S3Key": f"{code_hash}.zip"}
        desk.write("Costwatch.template.json", {"Resources": {"Deadman": {"Properties": {"Code": code}}}})
        assert desk.package("--out", str(tmp_path / code_hash), "--bucket", "my-code").exit_code == 0
        made = json.loads((tmp_path / code_hash / "costwatch.template.json").read_text("utf-8"))
        kept = {"AssetBucket": "my-code"}
        assert list(made["Parameters"]) == list(kept)
        placed = made["Resources"]["Deadman"]["Properties"]["Code"]
        assert placed["S3Bucket"] == {"Ref": "AssetBucket"}
        codes.append(placed["S3Key"])
    assert codes == [f"costwatch/{HASH}.zip", "costwatch/0123456789ab.zip"]


def test_the_zip_holds_the_code_at_its_root_and_is_the_same_whenever_it_is_made(desk: Desk, tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        assert desk.package("--out", str(tmp_path / name)).exit_code == 0
        made.append((tmp_path / name / f"{HASH}.zip").read_bytes())
        for path in desk.assembly.rglob("*.py"):
            os.utime(path, (1, 1))
            path.chmod(0o600)
    assert made[0] == made[1]
    with zipfile.ZipFile(tmp_path / "one" / f"{HASH}.zip") as packed:
        assert packed.namelist() == ["costwatch/names.py", names.POLICY_FILE]
        assert {entry.external_attr >> 16 & 0o777 for entry in packed.infolist()} == {0o644}


def test_a_bucket_gets_both_under_names_made_of_what_is_in_them(desk: Desk) -> None:
    result = desk.package("--bucket", "my-code")
    assert result.exit_code == 0, result.output
    (code, template) = desk.s3.objects
    assert code == f"my-code/costwatch/{HASH}.zip"
    assert template.startswith("my-code/costwatch/")
    parameters = json.loads(desk.s3.objects[template])["Parameters"]
    assert parameters["AssetBucket"]["Default"] == "my-code"
    assert f"--template-url https://s3.us-east-1.amazonaws.com/{template}" in result.output


def test_what_lies_there_is_never_written_over_and_the_command_may_be_repeated(desk: Desk) -> None:
    desk.package("--bucket", "my-code")
    before = dict(desk.s3.objects)
    again = desk.package("--bucket", "my-code", "--json")
    assert set(json.loads(again.stdout)["written"].values()) == {"lies there already"}
    assert desk.s3.objects == before


@pytest.mark.parametrize(
    ("region", "error", "code", "told"),
    [
        ("eu-west-1", None, 2, "--bucket my-code is in eu-west-1, expected one in us-east-1"),
        ("us-east-1", client_error("AccessDenied", "HeadBucket"), 4, "your credentials do not allow it"),
        ("us-east-1", client_error("403", "HeadBucket"), 4, "--bucket my-code: your credentials may not look at it"),
        ("us-east-1", client_error("404", "HeadBucket"), 2, "--bucket my-code is not there"),
    ],
)
def test_a_bucket_that_cannot_serve_is_told_and_nothing_is_written(
    desk: Desk, region: str, error: Exception | None, code: int, told: str
) -> None:
    desk.s3.region, desk.s3.error = region, error
    result = desk.package("--bucket", "my-code")
    assert (result.exit_code, desk.s3.objects) == (code, {})
    assert told in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--bucket or --out is missing"),
        (("--bucket", "My_Code"), "--bucket is 'My_Code', expected the name of an S3 bucket"),
        (("--bucket", "my-code", "--region", "eu-west-1"), "--region is eu-west-1, and"),
        (("--out", "/dev/null/x"), "--out: "),
    ],
)
def test_bad_input_names_the_option(desk: Desk, arguments: tuple[str, ...], told: str) -> None:
    result = desk.package(*arguments)
    assert (result.exit_code, desk.s3.objects) == (2, {})
    assert told in result.stderr


@pytest.mark.parametrize("name", ["costwatch.template.json", f"{HASH}.zip"])
def test_a_pipe_where_a_file_is_to_go_is_left_alone_and_nothing_is_written(
    desk: Desk, tmp_path: Path, name: str
) -> None:
    (tmp_path / "out").mkdir()
    os.mkfifo(tmp_path / "out" / name)
    result = desk.package("--out", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert "is no regular file" in " ".join(result.stderr.split())
    assert [each.name for each in (tmp_path / "out").iterdir()] == [name]


def test_what_was_synthesized_from_another_configuration_is_refused(desk: Desk) -> None:
    desk.config.write_text(CONFIG.replace("runs: 2", "runs: 3"), "utf-8")
    result = desk.package("--bucket", "my-code")
    assert (result.exit_code, desk.s3.objects) == (2, {})
    assert "run `make synth` again" in result.stderr


def test_a_directory_without_a_stack_or_with_another_is_told_what_to_run(desk: Desk, tmp_path: Path) -> None:
    elsewhere = desk.package("--bucket", "my-code", "--assembly", str(tmp_path / "none"))
    assert (elsewhere.exit_code, "holds no synthesized stack" in elsewhere.stderr) == (2, True)
    desk.write("manifest.json", {"artifacts": {"Other": {}}})
    other = desk.package("--bucket", "my-code")
    assert (other.exit_code, "run it again (KeyError: 'Costwatch')" in other.stderr) == (2, True)


def test_a_template_that_needs_the_cdks_bucket_for_something_else_is_not_passed_off_as_free_of_it(desk: Desk) -> None:
    layer = {"Type": "AWS::Lambda::LayerVersion", "Properties": {"Content": {**CODE, "S3Key": "other.zip"}}}
    desk.write("Costwatch.template.json", assembly.template(Layer=layer))
    result = desk.package("--bucket", "my-code")
    assert (result.exit_code, "for something else than the functions' code" in result.stderr) == (2, True)


def test_the_guide_names_the_parameters_and_the_stack_that_there_are(desk: Desk, tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "without-cdk.md").read_text("utf-8")
    desk.package("--bucket", "my-company-code")
    shown = desk.package("--bucket", "my-company-code").stdout
    (_, template) = desk.s3.objects
    (address,) = re.findall(r"--template-url (\S+)", shown)
    (capability,) = re.findall(r"--capabilities (\S+)", shown)
    digest = template.removeprefix("my-company-code/costwatch/").removesuffix(".template.json")
    assert f'template_url = "{address.replace(digest, "HASH")}"' in guide
    assert f'capabilities = ["{capability}"]' in guide
    assert f'name         = "{names.STACK}"' in guide
    assert 'parameters   = { AssetBucket = "my-company-code" }' in guide
    assert json.loads(desk.s3.objects[template])["Parameters"]["AssetBucket"]["Default"] == "my-company-code"
