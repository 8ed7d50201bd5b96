"""On what it was measured: a figure without its machine says nothing."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.measure import ROOT
from bench.peers import custodian
from costwatch import __version__


def facts() -> dict[str, str]:
    """Label and value, in the order they are shown. The date is UTC."""
    return {
        **own_facts(),
        "botocore": version("botocore"),
        "Cloud Custodian": f"{custodian.VERSION} with its own botocore {custodian.botocore_version()}",
    }


def own_facts() -> dict[str, str]:
    """Without the peers, for what is measured alone."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "costwatch": f"{__version__}, commit {_commit()}",
        "processor": f"{_processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start",
        "memory": _memory(),
        "system": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def fingerprint() -> str:
    """Of every file that is measured or measures: not the same at the end of a run, it measured two things as one."""
    digest = hashlib.sha256()
    for directory in ("lambdas", "bench"):
        for file in sorted((ROOT / directory).rglob("*")):
            if file.suffix in (".py", ".yaml", ".json"):
                digest.update(file.read_bytes())
    return digest.hexdigest()


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _commit() -> str:
    """Short, and whether files that are measured differ from it."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--", "lambdas", "bench")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return f"{commit} with changes" if changed else commit


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.strip()
