"""Runs a console script with its arguments, unchanged, with every AWS call of it recorded in the operator's name."""

from __future__ import annotations

import runpy
import sys

from demo.recorder import OPERATOR, acting_as, install_if_asked


def main() -> None:
    install_if_asked()
    del sys.argv[0]
    with acting_as(OPERATOR):
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
