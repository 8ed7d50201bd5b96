"""The compiled policy that commands keep: as validated anew, and never that of another file or of another code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from costwatch.cli import policy_cache
from costwatch.cli.policy_cache import policy_document
from costwatch.config.loader import load
from costwatch.core.policy import Policy
from costwatch.errors import ConfigError

CONFIG = "version: 1\nregions: [us-east-1]\ndead_man: {max_runtime: 7h}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "costwatch.yaml"
    found.write_text(CONFIG, encoding="utf-8")
    return found


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


def kept(environ: dict[str, str]) -> list[Path]:
    return sorted(Path(environ["XDG_CACHE_HOME"]).glob("costwatch/policy-*.json"))


def nobody_validates(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise AssertionError(f"{path} is validated")

    monkeypatch.setattr(policy_cache, "_compiled", refuse)


def test_what_is_kept_is_the_policy_that_the_loader_compiles(
    path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert policy_document(path, environ) == load(path).policy_document
    nobody_validates(monkeypatch)
    again = policy_document(path, environ)
    assert again == load(path).policy_document
    assert Policy.from_document(again).limits.max_runtime.total_seconds() == 7 * 3600


def test_a_file_that_changed_is_validated_anew(path: Path, environ: dict[str, str]) -> None:
    policy_document(path, environ)
    path.write_text(CONFIG.replace("7h", "8h"), encoding="utf-8")
    assert policy_document(path, environ) == load(path).policy_document
    assert len(kept(environ)) == 2


def test_what_judges_a_file_is_part_of_its_key(
    path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy_document(path, environ)
    monkeypatch.setattr(policy_cache, "__version__", "9.9.9")
    policy_document(path, environ)
    assert len(kept(environ)) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"policy": {}, "digest": "0"}'])
def test_a_kept_policy_that_cannot_be_used_is_made_anew(path: Path, environ: dict[str, str], content: str) -> None:
    policy_document(path, environ)
    (file,) = kept(environ)
    file.write_text(content, encoding="utf-8")
    assert policy_document(path, environ) == load(path).policy_document


def test_a_kept_policy_that_was_changed_is_not_used(path: Path, environ: dict[str, str]) -> None:
    policy_document(path, environ)
    (file,) = kept(environ)
    body = json.loads(file.read_text("utf-8"))
    body["policy"]["limits"]["max_runtime_seconds"] = 60
    file.write_text(json.dumps(body), encoding="utf-8")
    assert policy_document(path, environ) == load(path).policy_document


def test_what_is_not_valid_is_refused_each_time_and_never_kept(path: Path, environ: dict[str, str]) -> None:
    path.write_text(CONFIG.replace("7h", "7"), encoding="utf-8")
    for _ in range(2):
        with pytest.raises(ConfigError, match="a bare number has no unit"):
            policy_document(path, environ)
    assert kept(environ) == []


def test_a_file_that_is_not_there_is_the_loaders_sentence(path: Path, environ: dict[str, str]) -> None:
    path.unlink()
    with pytest.raises(ConfigError, match="no such file"):
        policy_document(path, environ)


def test_a_cache_directory_that_is_a_file_keeps_nothing(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert policy_document(path, {"XDG_CACHE_HOME": str(tmp_path / "file")}) == load(path).policy_document


def test_of_many_the_oldest_go(path: Path, environ: dict[str, str]) -> None:
    for number in range(25):
        path.write_text(f"{CONFIG}# {number}\n", encoding="utf-8")
        policy_document(path, environ)
    assert len(kept(environ)) == 20
