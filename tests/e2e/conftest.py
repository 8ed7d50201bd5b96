"""One bootstrap, one synthesis and one deploy for all end-to-end tests of one configuration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.deployed import Deployed
from tests.e2e.deploying import deploying

EMAIL = "ml-platform@example.com"
JOB_ROLE = "arn:aws:iam::123456789012:role/training"
CONFIG = f"""\
version: 1
regions: [us-east-1]
email: {{to: [{EMAIL}]}}
approval:
  roles: ["{JOB_ROLE}"]
res:
  mode: enforce
  models:
    churn: {{metric: auc, direction: maximize, worth: {{usd: 4000, per: 0.01, over: 30d}}}}
dead_man:
  mode: observe
  sweep_every: 5m
  max_runtime: 12h
  warn_before: 1h
  min_notice: 15m
  hard_cap: 72h
  selectors:
    - name: trainers
      mode: enforce
      ec2: {{tag: {{Purpose: transient-ml-training}}}}
    - name: sagemaker
      sagemaker: [training]
"""


@pytest.fixture(scope="package")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    directory = tmp_path_factory.mktemp("deploy")
    config = directory / "costwatch.yaml"
    config.write_text(CONFIG, "utf-8")
    with deploying(config, directory) as stack:
        yield stack
