"""Builds the one asset all functions share: the package, its dependencies for Lambda's machine, policy.json.

No Docker: pip fetches what fits Linux on arm64. The same input gives the same files, hence the same asset hash.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from costwatch import names, service_models
from costwatch.errors import CostwatchError

ROOT: Final = Path(__file__).resolve().parent.parent
RUNTIME: Final = (3, 13)
PLATFORM: Final = "manylinux2014_aarch64"
LEFT_OUT: Final = frozenset({"config", "cli", "preview", "reporting", "scan"})  # for synth and the command line

CALLED: Final = ("autoscaling", "dynamodb", "ec2", "events", "lambda", "pricing", "s3", "sagemaker", "sns", "sqs",
                 "ssm", "stepfunctions")  # fmt: skip
"""Services that a function has a client for. Who is missing here starts more slowly, and works all the same."""

# Written by pip about the machine it ran on, and of no use to a function.
_INSTALLER_NOTES: Final = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
_PIP_TIMEOUT_SECONDS: Final = 600
_COMPILE_TIMEOUT_SECONDS: Final = 300


class BundlingError(CostwatchError):
    """The asset could not be built."""


def build_asset(
    policy_document: Mapping[str, Any],
    *,
    work_dir: Path = ROOT / "build",
    say: Callable[[str], object] = lambda line: sys.stderr.write(line + "\n"),
) -> Path:
    """Stage the asset and return its directory, below `work_dir`. Dependencies are fetched once per pin set.

    Where no Python of the runtime's version is at hand the sources ship without bytecode, and `say` gets one line.
    Raises BundlingError when pip cannot fetch a dependency.
    """
    compiler = find_compiler()
    dependencies = _dependencies(work_dir, compiler)
    policy = json.dumps(policy_document, indent=2, sort_keys=True, ensure_ascii=True) + "\n"
    package = ROOT / "lambdas" / "costwatch"
    key = _digest([dependencies.name, policy, *_fingerprints(package)])
    staged = work_dir / "asset" / key
    if not staged.is_dir():
        _stage(staged, dependencies, package, policy, compiler)
    if compiler is None:
        runtime = ".".join(map(str, RUNTIME))
        say(f"no Python {runtime} found: the functions ship without bytecode and start somewhat slower")
    return staged


def find_compiler(environ: Mapping[str, str] = os.environ) -> str | None:
    """A Python of the runtime's minor version, whose bytecode the functions can load; None where there is none."""
    if sys.version_info[:2] == RUNTIME:
        return sys.executable
    name = "python{}.{}".format(*RUNTIME)
    candidates = [shutil.which(name, path=environ.get("PATH"))]
    # pyenv's shim runs only with PYENV_VERSION set, so its interpreters are looked up by their own paths as well.
    pyenv = Path(environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates += sorted((str(p) for p in pyenv.glob("versions/{}.{}*/bin/{}".format(*RUNTIME, name))), reverse=True)
    return next((c for c in candidates if c and _is_runtime(c)), None)


def _is_runtime(python: str) -> bool:
    code = "import sys; print(*sys.version_info[:2], sys.implementation.name)"
    try:
        answer = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and answer.stdout.split() == [*map(str, RUNTIME), "cpython"]


def _dependencies(work_dir: Path, compiler: str | None) -> Path:
    """Directory of installed (and compiled) dependencies, from the cache where the pins are unchanged."""
    requirements = ROOT / "lambdas" / "requirements.txt"
    inputs = [requirements.read_text("utf-8"), (ROOT / "constraints.txt").read_text("utf-8")]
    recipes = (__file__, service_models.__file__)  # a change in how things are laid out starts afresh
    recipe = "".join(Path(each).read_text("utf-8") for each in recipes)
    key = _digest([recipe, PLATFORM, str(RUNTIME), "compiled" if compiler else "sources", *inputs])
    cached = work_dir / "dependencies" / key
    if cached.is_dir():
        return cached
    with _renamed_when_done(cached) as target:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
        command += ["--platform", PLATFORM, "--python-version", "{}.{}".format(*RUNTIME), "--implementation", "cp"]
        command += ["--only-binary=:all:", "--no-compile", "--target", str(target), "-r", str(requirements)]
        _run(command, "the functions' dependencies could not be fetched", _PIP_TIMEOUT_SECONDS)
        shutil.rmtree(target / "bin", ignore_errors=True)  # scripts that name this machine's Python
        for notes in [p for p in target.glob("*.dist-info/*") if p.name in _INSTALLER_NOTES]:
            notes.unlink()
        for service in CALLED:
            _leave_out_documentation(target / "botocore" / "data" / service)
        if compiler:
            _compile(target, compiler)
    return cached


def _leave_out_documentation(service: Path) -> None:
    """botocore parses a service's whole model for its first client; no program reads what it explains."""
    for file in service.glob("*/service-2.json.gz"):
        model = json.loads(gzip.decompress(file.read_bytes()))
        small = json.dumps(service_models.without_documentation(model), separators=(",", ":"))
        file.write_bytes(gzip.compress(small.encode(), mtime=0))


def _stage(staged: Path, dependencies: Path, package: Path, policy: str, compiler: str | None) -> None:
    with _renamed_when_done(staged) as target:
        shutil.copytree(dependencies, target, dirs_exist_ok=True, copy_function=_link_or_copy)
        for source in _package_files(package):
            copy = target / package.name / source.relative_to(package)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
        if compiler:
            _compile(target / package.name, compiler, root=target)
        (target / names.POLICY_FILE).write_text(policy, "utf-8")


def _compile(directory: Path, python: str, *, root: Path | None = None) -> None:
    """Unchecked bytecode: the CDK command line zips with a fixed date, to which ordinary bytecode would be stale."""
    command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(root or directory), "-p", "/var/task", str(directory)]  # tracebacks name Lambda's paths
    _run(command, "the functions' bytecode could not be compiled", _COMPILE_TIMEOUT_SECONDS)


def _run(command: list[str], failure: str, timeout_seconds: int) -> None:
    # A fixed hash seed and one process: bytecode must not differ from one build to the next.
    environ = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET")}
    environ |= {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(  # noqa: S603
            command, env=environ, capture_output=True, text=True, timeout=timeout_seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise BundlingError(f"{failure}: no answer within {timeout_seconds} s") from None
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-1:] or ["no message"]
        raise BundlingError(f"{failure}: {errors[0]}")


def _package_files(package: Path) -> Iterator[Path]:
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package).parts
        if path.is_file() and inside[0] not in LEFT_OUT and "__pycache__" not in inside and path.suffix != ".pyc":
            yield path


def _fingerprints(package: Path) -> Iterator[str]:
    for path in _package_files(package):
        yield path.relative_to(package).as_posix()
        yield hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _link_or_copy(source: str, destination: str) -> str:
    """The cache is never written to again, so where the file system has hard links they save 50 MB a policy."""
    try:
        os.link(source, destination)
    except OSError:
        return shutil.copyfile(source, destination)
    return destination


class _renamed_when_done:  # noqa: N801, a context manager reads as a verb
    """A directory that appears under its name only when complete, so a killed or a second synth sees no half of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.{os.getpid()}.partial")

    def __enter__(self) -> Path:
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        return self._partial

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._partial.rename(self._path)
        except OSError:
            if not self._path.is_dir():  # otherwise another synth was first, with the same content
                raise
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)
