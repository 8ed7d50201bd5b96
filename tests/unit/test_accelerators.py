"""Which instance types are accelerators."""

from __future__ import annotations

import pytest

from costwatch.core.accelerators import is_accelerator


@pytest.mark.parametrize(
    "instance_type",
    ["p3.2xlarge", "p4d.24xlarge", "p4de.24xlarge", "p5.48xlarge", "p5en.48xlarge", "p6-b200.48xlarge",
     "p6e-gb200.36xlarge", "g4dn.xlarge", "g4ad.4xlarge", "g5g.metal", "g6e.48xlarge", "gr6.8xlarge", "trn1.32xlarge",
     "trn2u.48xlarge", "inf2.xlarge", "dl1.24xlarge", "dl2q.24xlarge", "ml.p4d.24xlarge", "ml.trn1.2xlarge"],
)  # fmt: skip
def test_gpus_trainium_inferentia_and_gaudi_are_accelerators(instance_type: str) -> None:
    assert is_accelerator(instance_type)


@pytest.mark.parametrize(
    "instance_type",
    ["m5.large", "ml.m5.large", "c7g.xlarge", "is4gen.large", "i3en.large", "t3.micro", "hpc7g.4xlarge", "x2gd.large",
     "mac2.metal", "p4d", "", "prod.p4d.24xlarge", "graviton.large", "u-6tb1.metal"],
)  # fmt: skip
def test_other_types_are_not(instance_type: str) -> None:
    assert not is_accelerator(instance_type)
