"""`python -m bench.compile_policy costwatch.yaml policy.json`: what a deploy puts into the asset."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from costwatch.config.loader import load


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    target.write_text(json.dumps(load(source).shipped()), encoding="utf-8")


if __name__ == "__main__":
    main()
