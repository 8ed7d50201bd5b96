"""The workflow that people copy: its shell steps as they are written, its comment script on a GitHub of our own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from costwatch.cli.estimate_shown import MARKER
from tests.unit.test_job_bodies import TRAINING, changed
from tests.unit.test_pipelines import PARAMETERS, train

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / "docs/guides/costwatch-estimate.yml").read_text(encoding="utf-8"))
STEPS = {step.get("name", step.get("uses")): step for step in WORKFLOW["jobs"]["estimate"]["steps"]}
# As GitHub runs `run:` without a shell of its own.
BASH = ["bash", "-e", "{0}"]


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A runner's workspace: the job file of the workflow, and a `costwatch` on the PATH."""
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "train.json").write_text(json.dumps(TRAINING), encoding="utf-8")
    command = tmp_path / "bin" / "costwatch"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m costwatch.cli "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return tmp_path


def run(runner: Path, name: str, **env: str) -> subprocess.CompletedProcess[str]:
    script = runner / "step.sh"
    script.write_text(STEPS[name]["run"], encoding="utf-8")
    settings = {
        **{key: str(value) for key, value in WORKFLOW["env"].items()},
        "PATH": f"{runner / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "lambdas"),
        "HOME": str(runner),
        "GITHUB_OUTPUT": str(runner / "output"),
        "GITHUB_STEP_SUMMARY": str(runner / "summary"),
        **env,
    }
    bash = [part.format(script) for part in BASH]
    return subprocess.run(bash, cwd=runner, env=settings, capture_output=True, text=True, timeout=60, check=False)


# --- the shell steps ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "code"), [("400", 4), ("606.03", 4), ("606.04", 0), ("", 0)]
)  # fmt: skip
def test_the_estimate_is_written_with_its_exit_code_and_the_limit_is_held_last(
    runner: Path, limit: str, code: int
) -> None:
    done = run(runner, "Estimate", FAIL_ABOVE=limit)
    assert done.returncode == 0, done.stderr
    written = (runner / "estimate.md").read_text(encoding="utf-8")
    assert written.startswith(f"{MARKER}\n\n### Costwatch: at most $606.03, expected $606.03\n")
    assert (runner / "summary").read_text(encoding="utf-8") == written
    assert (runner / "output").read_text(encoding="utf-8") == f"exit-code={code}\n"
    assert run(runner, "Hold the limit", CODE=str(code), FAIL_ABOVE=limit).returncode == code


def test_a_job_without_a_known_price_fails_only_where_it_is_wanted(runner: Path) -> None:
    body = changed(TRAINING, "ResourceConfig.InstanceType", "ml.p9.48xlarge")
    (runner / "jobs" / "train.json").write_text(json.dumps(body), encoding="utf-8")
    assert run(runner, "Estimate").returncode == 0
    assert (runner / "output").read_text(encoding="utf-8") == "exit-code=3\n"
    assert run(runner, "Hold the limit", CODE="3").returncode == 0
    assert run(runner, "Hold the limit", CODE="3", FAIL_WHEN_UNKNOWN="true").returncode == 3


def test_bad_input_fails_at_once_and_says_why(runner: Path) -> None:
    (runner / "jobs" / "train.json").write_text("{}", encoding="utf-8")
    done = run(runner, "Estimate")
    assert done.returncode == 2
    assert "ResourceConfig is missing" in done.stderr


def test_a_pipeline_is_one_word_away(runner: Path) -> None:
    body = {"Version": "2020-12-01", "Parameters": PARAMETERS, "Steps": [train(), train("Fine")]}
    (runner / "jobs" / "my pipeline.json").write_text(json.dumps(body), encoding="utf-8")
    done = run(runner, "Estimate", KIND="pipeline", FILE="jobs/my pipeline.json")
    assert done.returncode == 0, done.stderr
    assert "Pipeline of 2 steps" in (runner / "estimate.md").read_text(encoding="utf-8")


def test_a_file_name_is_never_a_command(runner: Path) -> None:
    done = run(runner, "Estimate", FILE="$(touch stolen); touch stolen")
    assert done.returncode == 2
    assert not (runner / "stolen").exists()


def test_no_step_puts_an_expression_into_a_script() -> None:
    """What stands in a pull request would be run there."""
    for step in STEPS.values():
        assert "${{" not in step.get("run", "") + step.get("with", {}).get("script", "")


def test_what_it_installs_is_what_an_estimate_imports() -> None:
    probe = (
        "import sys; from costwatch.cli.main import main\n"
        "try: main(['estimate', '--service', 'ec2', '--instance-type', 'g5.xlarge', '--max-runtime', '1h'])\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "lambdas"), "AWS_REGION": "us-east-1"}
    done = subprocess.run(
        [sys.executable, "-c", probe], env=env, cwd="/", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    distributions = packages_distributions()
    used = {
        _name(distribution)
        for module in done.stderr.split()
        if not module.startswith(("_", "costwatch"))
        for distribution in distributions.get(module, [])
    }
    named = STEPS["Install"]["run"].replace("\\\n", " ").split()
    wanted = {_name(each) for each in named[named.index(".costwatch/constraints.txt") + 1 :] if "/" not in each}
    installed: set[str] = set()
    while wanted - installed:
        installed |= wanted
        wanted |= {
            _name(re.split(r"[^A-Za-z0-9._-]", text)[0])
            for each in installed
            for text in requires(each) or []
            if "extra ==" not in text
        } & {_name(each) for names in distributions.values() for each in names}
    # botocore and others take certifi where it is, and do without it.
    assert used <= installed | {"setuptools", "certifi"}, used - installed


def _name(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


# --- the comment -------------------------------------------------------------------------------------

HARNESS = """
const fs = require('fs');
const [base, script] = process.argv.slice(2);
async function call(route, given) {
  const [method, template] = route.split(' ');
  const rest = { ...given };
  let path = template.replace(/\\{(\\w+)\\}/g, (_, name) => {
    const value = rest[name];
    delete rest[name];
    return value;
  });
  if (method === 'GET') path += '?' + new URLSearchParams(rest);
  const answer = await fetch(base + path, method === 'GET' ? { method } : { method, body: JSON.stringify(rest) });
  if (!answer.ok) throw Object.assign(new Error(`HTTP ${answer.status}`), { status: answer.status });
  return answer;
}
const github = {
  request: async (route, given) => ({ data: await (await call(route, given)).json() }),
  paginate: async (route, given) => {
    const all = [];
    for (let page = 1; ; page += 1) {
      const answer = await call(route, { ...given, page });
      all.push(...(await answer.json()));
      if (!(answer.headers.get('link') || '').includes('rel="next"')) return all;
    }
  },
};
const core = { warning: (text) => console.log(`warning: ${text}`) };
const context = { repo: { owner: 'acme', repo: 'churn' }, issue: { number: 7 } };
const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
const run = new AsyncFunction('github', 'context', 'core', 'require', fs.readFileSync(script, 'utf8'));
run(github, context, core, require).catch((error) => { console.error(error.message); process.exit(1); });
"""


class GitHub:
    """The comments of one pull request, over HTTP, in pages. `refuse`: the status of every write."""

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.refuse = 0
        self.calls: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                pass

            def do_GET(self) -> None:
                url = urlsplit(self.path)
                assert url.path == "/repos/acme/churn/issues/7/comments"
                query = {name: int(values[0]) for name, values in parse_qs(url.query).items()}
                size, page = query["per_page"], query["page"]
                begin = (page - 1) * size
                more = len(outer.comments) > begin + size
                self._answer(200, outer.comments[begin : begin + size], link='<x>; rel="next"' if more else "")

            def do_POST(self) -> None:
                assert self.path == "/repos/acme/churn/issues/7/comments"
                self._write(lambda body: outer.add(body, kind="Bot"))

            def do_PATCH(self) -> None:
                number = int(self.path.removeprefix("/repos/acme/churn/issues/comments/"))
                self._write(lambda body: outer.comments[number].update(body=body))

            def _write(self, change: Any) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))["body"]
                if outer.refuse:
                    self._answer(outer.refuse, {"message": "Resource not accessible by integration"})
                    return
                change(body)
                self._answer(200, {})

            def _answer(self, status: int, document: Any, link: str = "") -> None:
                outer.calls.append(self.command)
                raw = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                if link:
                    self.send_header("link", link)
                self.end_headers()
                self.wfile.write(raw)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def add(self, body: str, *, kind: str) -> None:
        self.comments.append({"id": len(self.comments), "user": {"type": kind}, "body": body})

    def bodies(self) -> list[str]:
        return [each["body"] for each in self.comments]

    def run(self, folder: Path, estimate: str) -> subprocess.CompletedProcess[str]:
        """The script, as actions/github-script would run it after an estimate."""
        node = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if node is None:
            pytest.skip("no node: `make setup` brings one")
        (folder / "estimate.md").write_text(estimate, encoding="utf-8")
        (folder / "script.js").write_text(STEPS["Comment"]["with"]["script"], encoding="utf-8")
        (folder / "harness.js").write_text(HARNESS, encoding="utf-8")
        base = f"http://127.0.0.1:{self._server.server_port}"
        env = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
        command = [node, "harness.js", base, "script.js"]
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def github() -> Iterator[GitHub]:
    made = GitHub()
    yield made
    made.close()


def shown(dollars: str) -> str:
    return f"{MARKER}\n\n### Costwatch: at most {dollars}\n"


def test_the_first_estimate_is_a_comment_and_the_next_one_changes_it(tmp_path: Path, github: GitHub) -> None:
    github.add("Looks good.", kind="User")
    for dollars in ("$606.03", "$303.02", "$303.02"):
        done = github.run(tmp_path, shown(dollars))
        assert (done.returncode, done.stderr) == (0, "")
        assert github.bodies() == ["Looks good.", shown(dollars)]
    assert github.calls == ["GET", "POST", "GET", "PATCH", "GET", "PATCH"]


def test_its_own_comment_is_found_behind_hundreds_and_nobodys_quote_is_overwritten(
    tmp_path: Path, github: GitHub
) -> None:
    github.add(shown("$1.00"), kind="User")
    github.add(f"> {shown('$1.00')}", kind="Bot")
    for number in range(230):
        github.add(f"comment {number}", kind="Bot" if number % 2 else "User")
    github.add(shown("$1.00"), kind="Bot")
    before = github.bodies()
    assert github.run(tmp_path, shown("$2.00")).returncode == 0
    assert github.bodies() == [*before[:-1], shown("$2.00")]


def test_from_a_fork_it_is_a_warning_and_no_failure(tmp_path: Path, github: GitHub) -> None:
    github.refuse = 403
    done = github.run(tmp_path, shown("$1.00"))
    assert done.returncode == 0
    assert done.stdout.startswith("warning: No comment: from a fork")


def test_any_other_failure_of_github_is_one(tmp_path: Path, github: GitHub) -> None:
    github.refuse = 500
    done = github.run(tmp_path, shown("$1.00"))
    assert (done.returncode, done.stderr) == (1, "HTTP 500\n")


def test_a_comment_that_github_would_not_take_is_cut_and_says_so(tmp_path: Path, github: GitHub) -> None:
    for _ in range(2):
        assert github.run(tmp_path, shown("$1.00") + "x" * 100_000).returncode == 0
    (body,) = github.bodies()
    assert len(body) < 65_536
    assert body.endswith("(The rest is in the summary of the workflow run.)\n")


# --- what it may do ----------------------------------------------------------------------------------


def test_it_may_read_the_code_and_write_comments_and_nothing_else() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert list(WORKFLOW[True]) == ["pull_request"], "pull_request_target would run a stranger's code with a token"


def test_every_action_is_pinned_to_a_version() -> None:
    used = [step["uses"] for step in STEPS.values() if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", each) for each in used)


def test_the_guide_names_what_the_workflow_sets() -> None:
    guide = (ROOT / "docs/guides/github-actions.md").read_text(encoding="utf-8")
    assert MARKER in guide
    for name in ("FAIL_ABOVE", "JUDGE_BY", "FAIL_WHEN_UNKNOWN", "KIND"):
        assert name in WORKFLOW["env"]
        assert f"`{name}" in guide
