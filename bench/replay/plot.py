"""`python -m bench.replay.plot RESULTS.json DIRECTORY`: cost avoided against served error, each policy on each series.

Runs in the environment of the series, which has matplotlib.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot

NAME: Final = "res-replay.png"
_SHOWN: Final = {
    "costwatch": ("Costwatch", "#0b6e4f", "o", 55),
    "always_at_once": ("always at once", "#7a7a7a", "s", 26),
    "every_3_promote_all": ("every 3 weeks", "#2a6fbb", "^", 30),
    "every_3_promote_if_better": ("every 3 weeks, if better", "#8fb8de", "v", 26),
    "every_8_promote_all": ("every 8 weeks", "#e08e0b", "D", 22),
    "drift_trigger": ("drift trigger", "#b5322d", "x", 32),
}
_WORST: Final = 0.30
"""Further up is drawn at the edge, with an arrow's mark."""


def main() -> int:
    """Write one PNG."""
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.6), width_ratios=(1.45, 1))
    _cost_and_error(left, found)
    _intervals(right, found)
    figure.tight_layout()
    figure.savefig(Path(sys.argv[2]) / NAME, dpi=110, metadata={"Software": None})
    return 0


def _cost_and_error(axes: Any, found: list[dict[str, Any]]) -> None:
    for name, (label, colour, marker, size) in _SHOWN.items():
        rows = [_row(each, name) for each in found]
        avoided = [row["training_avoided"] for row in rows]
        worse = [row["vs_always_validated"] for row in rows]
        shown = [min(each, _WORST) for each in worse]
        axes.scatter(avoided, shown, s=size, c=colour, marker=marker, label=label, zorder=3, linewidths=1.2)
        beyond = [(x, _WORST) for x, each in zip(avoided, worse, strict=True) if each > _WORST]
        for x, y in beyond:
            axes.annotate("", (x, y + 0.018), (x, y), arrowprops={"arrowstyle": "->", "color": colour})
    axes.axhspan(0.05, _WORST + 0.03, color="#b5322d", alpha=0.05)
    axes.axvline(0.6, color="#0b6e4f", linewidth=0.8, linestyle="--")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_ylim(-0.40, _WORST + 0.03)
    axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
    axes.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
    axes.set_xlabel("training cost avoided (aim: 60% and more)")
    axes.set_ylabel("served error against always validated")
    axes.set_title("Every series under every policy", loc="left", fontsize=10)
    axes.legend(fontsize=8, loc="upper left", framealpha=0.9)
    axes.grid(alpha=0.2)


def _intervals(axes: Any, found: list[dict[str, Any]]) -> None:
    for at, each in enumerate(reversed(found)):
        row = _row(each, "costwatch")
        low, high = row["vs_always_validated_ci"]
        axes.plot((low, high), (at, at), color="#0b6e4f", linewidth=2, solid_capstyle="round")
        axes.plot(row["vs_always_validated"], at, "o", color="#0b6e4f", markersize=5)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.axvline(0.05, color="#b5322d", linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(found)), [each["series"] for each in reversed(found)], fontsize=8)
    axes.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals=0))
    axes.set_xlabel("served error, 95% interval (aim: below +5%)")
    axes.set_title("Costwatch against always validated", loc="left", fontsize=10)
    axes.grid(alpha=0.2)


def _row(of: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in of["policies"] if each["name"] == name)
    return found


if __name__ == "__main__":
    sys.exit(main())
