"""The asset: what is in it, what is not, and that the same input makes the same one."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.loaders import Loader

from costwatch import names
from infra import asset
from infra.asset import BundlingError, build_asset, find_compiler
from tests.infra import documents

UNPACKED_LIMIT_BYTES = 250 * 1024 * 1024  # Lambda's, for code and layers together
UNCHECKED_HASH = 0b01  # flags of a .pyc that is loaded without looking at its source


@pytest.fixture(scope="module")
def staged() -> Path:
    """Built with the project's own cache of dependencies, as a deploy does."""
    return build_asset(documents.document(), say=lambda _: None)


def tree(directory: Path) -> dict[str, str]:
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in directory.rglob("*")
        if path.is_file()
    }


def bytecode(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*.pyc"))


def test_the_package_ships_without_configuration_and_command_line(staged: Path) -> None:
    assert (staged / "costwatch" / "settings.py").is_file()
    assert (staged / "costwatch" / "data" / "prices.json").is_file()
    assert not (staged / "costwatch" / "config").exists()
    assert not (staged / "costwatch" / "cli").exists()
    assert not (staged / "costwatch" / "scan").exists()
    assert not (staged / "costwatch" / "preview").exists()
    assert not (staged / "costwatch" / "reporting").exists()


def test_the_dependencies_of_the_functions_ship_and_those_of_the_command_line_do_not(staged: Path) -> None:
    shipped = {path.name for path in staged.iterdir()}
    assert {"boto3", "botocore", "aws_lambda_powertools", "slack_sdk"} <= shipped
    assert not {"pydantic", "yaml", "rich", "click", "jinja2", "pygal", "moto", "aws_cdk"} & shipped


def test_there_is_no_compiled_library_and_no_file_that_names_this_machine(staged: Path) -> None:
    assert not [p for p in staged.rglob("*") if p.suffix in (".so", ".dylib", ".pyd")]
    assert not (staged / "bin").exists()
    names_of_files = {p.name for p in staged.rglob("*.dist-info/*")}
    assert not {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"} & names_of_files
    here = [str(asset.ROOT).encode(), sys.prefix.encode()]
    telling = [p for p in staged.rglob("*") if p.is_file() and any(h in p.read_bytes() for h in here)]
    assert telling == []


@pytest.mark.parametrize("service", asset.CALLED)
def test_the_models_of_called_services_ship_unexplained_with_every_operation(staged: Path, service: str) -> None:
    ours = Loader(extra_search_paths=[str(staged / "botocore" / "data")], include_default_search_paths=False)
    model = ours.load_service_model(service, "service-2")
    assert model["operations"].keys() == Loader().load_service_model(service, "service-2")["operations"].keys()
    assert not any("documentation" in operation for operation in model["operations"].values())


def test_every_service_that_a_function_has_a_client_for_is_among_them() -> None:
    wiring = (asset.ROOT / "lambdas" / "costwatch" / "wiring.py").read_text("utf-8")
    assert set(re.findall(r'\bclient\("([a-z0-9-]+)"', wiring)) == set(asset.CALLED)


def test_the_policy_ships_at_the_root_as_it_was_compiled(staged: Path) -> None:
    assert json.loads((staged / names.POLICY_FILE).read_text("utf-8")) == documents.document()


def test_the_asset_stays_well_under_lambdas_limit(staged: Path) -> None:
    assert sum(p.stat().st_size for p in staged.rglob("*") if p.is_file()) < UNPACKED_LIMIT_BYTES / 2


def test_every_module_ships_bytecode_that_no_date_makes_stale(staged: Path) -> None:
    if find_compiler() is None:
        pytest.skip("no Python 3.13 on this machine to compile with")
    modules = {p for p in staged.rglob("*.py") if "__pycache__" not in p.parts}
    compiled = bytecode(staged)
    missing = {p.relative_to(staged) for p in modules} - {
        p.relative_to(staged).parent.parent / (p.name.split(".")[0] + ".py") for p in compiled
    }
    assert missing == set()
    for path in compiled:
        assert path.name.endswith(".cpython-313.pyc")
        assert int.from_bytes(path.read_bytes()[4:8], "little") == UNCHECKED_HASH, path


def test_the_same_input_makes_the_same_files_in_another_place(
    staged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = asset._dependencies
    # The cached ones: fetching again would tell what the network is like, not what the code does.
    monkeypatch.setattr(asset, "_dependencies", lambda _, compiler: fetched(asset.ROOT / "build", compiler))
    again = build_asset(documents.document(), work_dir=tmp_path, say=lambda _: None)
    assert again != staged
    assert again.name == staged.name
    own = {k: v for k, v in tree(staged).items() if k.startswith(("costwatch/", names.POLICY_FILE))}
    assert own == {k: v for k, v in tree(again).items() if k.startswith(("costwatch/", names.POLICY_FILE))}


def test_another_policy_makes_another_asset(staged: Path) -> None:
    other = build_asset(documents.document(documents.SPOT), say=lambda _: None)
    assert other.name != staged.name


def test_where_no_runtime_python_is_found_sources_ship_and_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def small(work_dir: Path, compiler: str | None) -> Path:
        assert compiler is None
        directory = work_dir / "few"
        directory.mkdir(parents=True)
        return directory

    said: list[str] = []
    monkeypatch.setattr(asset, "find_compiler", lambda: None)
    monkeypatch.setattr(asset, "_dependencies", small)
    staged = build_asset(documents.document(), work_dir=tmp_path, say=said.append)
    assert bytecode(staged) == []
    assert said == ["no Python 3.13 found: the functions ship without bytecode and start somewhat slower"]


def test_a_python_of_another_version_is_not_taken_for_the_runtimes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asset, "RUNTIME", (3, 99))
    impostor = tmp_path / "python3.99"
    impostor.symlink_to(sys.executable)
    assert find_compiler({"PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path)}) is None


def test_dependencies_that_cannot_be_fetched_are_told_in_one_line_and_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    (root / "lambdas" / "costwatch").mkdir(parents=True)
    (root / "constraints.txt").write_text("", "utf-8")
    missing = tmp_path / "no-such-wheel.whl"
    (root / "lambdas" / "requirements.txt").write_text(f"{missing}\n", "utf-8")
    monkeypatch.setattr(asset, "ROOT", root)
    with pytest.raises(BundlingError, match="the functions' dependencies could not be fetched: ERROR") as caught:
        build_asset(documents.document(), work_dir=tmp_path / "build", say=lambda _: None)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "build" / "dependencies").iterdir()) == []


_ASKED: Mapping[str, dict[str, Any]] = {
    "describe_auto_scaling_groups": {},
    "list_tables": {},
    "describe_regions": {},
    "list_rules": {},
    "list_functions": {},
    "describe_services": {},
    "head_object": {"Bucket": "b", "Key": "k"},
    "list_training_jobs": {},
    "list_topics": {},
    "list_queues": {},
    "describe_parameters": {},
    "list_state_machines": {},
}
"""A call of each service that needs next to nothing."""


class _MadeError(Exception):
    """A request was made, and is not sent."""


def test_a_client_of_every_service_that_is_called_makes_a_request_with_the_models_that_ship(staged: Path) -> None:
    """A service may read more of its model when it builds a request than when its client is made: S3's does."""
    session = botocore.session.get_session()
    loader = Loader()
    loader.search_paths[:] = [str(staged / "botocore" / "data")]
    session.register_component("data_loader", loader)
    session.set_credentials("none", "none")

    def made(**_: object) -> None:
        raise _MadeError

    for service in asset.CALLED:
        client = session.create_client(service, region_name="us-east-1")
        client.meta.events.register("before-send", made)
        operation = next(each for each in _ASKED if each in client.meta.method_to_api_mapping)
        with pytest.raises(_MadeError):
            getattr(client, operation)(**_ASKED[operation])
