"""The small models that the command line keeps: the same calls, in a fraction of the time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

from costwatch import service_models
from costwatch.cli.model_cache import prefer_small_models
from costwatch.cli.read_only import ALLOWED

LARGE = ("ec2", "sagemaker")


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {service: Loader().load_service_model(service, "service-2") for service in LARGE}


def loader_with(cache: Path) -> Loader:
    loader = Loader()
    prefer_small_models(loader, {"XDG_CACHE_HOME": str(cache)})
    return loader


def parts(shape: Shape | None, seen: set[str]) -> Iterator[tuple[str, str, object]]:
    """All that botocore serializes and parses by."""
    if shape is None or shape.name in seen:
        return
    seen.add(shape.name)
    yield shape.name, shape.type_name, (shape.serialization, shape.metadata)
    for name, member in getattr(shape, "members", {}).items():
        yield shape.name, name, (member.name, member.serialization, member.metadata)
        yield from parts(member, seen)
    for inner in ("member", "key", "value"):
        if hasattr(shape, inner):
            yield from parts(getattr(shape, inner), seen)


@pytest.mark.parametrize("service", LARGE)
def test_every_call_of_the_command_line_is_asked_and_read_as_before(service: str, models: dict[str, Any]) -> None:
    whole = ServiceModel(models[service], service)
    small = ServiceModel(service_models.only(models[service], ALLOWED[service]), service)
    assert set(small.operation_names) == ALLOWED[service]
    assert small.metadata == whole.metadata
    for name in small.operation_names:
        ours, theirs = small.operation_model(name), whole.operation_model(name)
        assert ours.http == theirs.http
        for shape in ("input_shape", "output_shape"):
            assert list(parts(getattr(ours, shape), set())) == list(parts(getattr(theirs, shape), set())), name
        assert [error.name for error in ours.error_shapes] == [error.name for error in theirs.error_shapes]


@pytest.mark.parametrize("service", LARGE)
def test_what_explains_is_left_out_and_a_member_of_that_name_is_not(service: str, models: dict[str, Any]) -> None:
    def explained(part: Any) -> bool:
        if isinstance(part, dict):
            return isinstance(part.get("documentation"), str) or any(explained(each) for each in part.values())
        return isinstance(part, list) and any(explained(each) for each in part)

    small = service_models.without_documentation(models[service])
    assert explained(models[service])
    assert not explained(small)
    assert small["operations"].keys() == models[service]["operations"].keys()
    member = {"shapes": {"A": {"members": {"documentation": {"shape": "B", "documentation": "what it is"}}}}}
    assert service_models.without_documentation(member) == {
        "shapes": {"A": {"members": {"documentation": {"shape": "B"}}}}
    }


def test_they_are_written_once_and_found_by_the_next_command(tmp_path: Path) -> None:
    first = loader_with(tmp_path)
    (kept,) = (tmp_path / "costwatch").iterdir()
    written = {file: file.stat().st_mtime_ns for file in kept.rglob("*.json")}
    assert len(written) == len(LARGE)
    second = loader_with(tmp_path)
    assert second.search_paths[0] == first.search_paths[0] == str(kept)
    assert {file: file.stat().st_mtime_ns for file in kept.rglob("*.json")} == written


def test_a_client_made_of_them_lists_instances_and_has_no_call_that_stops_any(tmp_path: Path) -> None:
    loader_with(tmp_path)
    session = botocore.session.get_session()
    prefer_small_models(session.get_component("data_loader"), {"XDG_CACHE_HOME": str(tmp_path)})
    session.set_credentials("a", "b")
    client = session.create_client("ec2", region_name="us-east-1")
    assert client.get_paginator("describe_instances") is not None
    assert not hasattr(client, "terminate_instances")


def test_what_another_version_left_is_taken_away(tmp_path: Path) -> None:
    old = tmp_path / "costwatch" / "botocore-1.0.0-abc"
    old.mkdir(parents=True)
    (tmp_path / "costwatch" / "notes").write_text("somebody's own")
    loader_with(tmp_path)
    assert not old.exists()
    assert (tmp_path / "costwatch" / "notes").exists()


def test_where_none_can_be_written_the_large_ones_are_read(tmp_path: Path) -> None:
    (tmp_path / "costwatch").write_text("a file where a directory should be")
    assert loader_with(tmp_path).search_paths == Loader().search_paths


def test_what_cannot_be_written_whole_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: Any, **__: Any) -> int:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", no_room)
        assert loader_with(tmp_path).search_paths == Loader().search_paths
    assert list((tmp_path / "costwatch").iterdir()) == []
    assert len(loader_with(tmp_path).search_paths) == len(Loader().search_paths) + 1


def test_of_two_commands_that_write_them_at_once_both_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def second_comes_first(self: Path, target: Path) -> Path:
        shutil.copytree(self, target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", second_comes_first)
    loader_with(tmp_path)
    assert len([each for each in (tmp_path / "costwatch").iterdir() if each.name.startswith("botocore-")]) == 1
    monkeypatch.undo()
    assert len(loader_with(tmp_path).search_paths) == len(Loader().search_paths) + 1
