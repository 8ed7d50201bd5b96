"""Buttons on the cards of runs. Each carries an id and nothing else; whoever may not press it is told so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from costwatch.core import durations
from costwatch.core.blocks import Block, button, buttons, confirm, cut, length, text_input
from costwatch.core.money import show_usd, spent_usd

_MOST_VALUE: Final = 2000  # Slack's, for what a button carries
_MOST_STEPS: Final = 20  # of Slack's 25 buttons in a row
_NAME: Final = 80


def of_warning(
    run: str, name: str, rate: Decimal | None, steps: Sequence[timedelta], *, stop: bool, ask: bool
) -> list[Block]:
    """Empty where the run's id is longer than a button may carry. `stop`, `ask`: whether these are offered."""
    found = [
        button(f"extend:{durations.short(step)}", _extend(rate, step), f"{run}|{int(step.total_seconds())}")
        for step in steps[:_MOST_STEPS]
    ]
    if stop:
        sure = confirm(
            "Stop it now?", f"{cut(name, _NAME)} is stopped without further notice.", "Stop now", danger=True
        )
        found.append(button("stop", "Stop now", run, style="danger", confirm=sure))
    found.extend([button("ask_exemption", "Ask for an exemption", run)] if ask else [])
    return _row("run", found)


def of_hold(run: str, hold: str) -> list[Block]:
    value = f"{run}|{hold}"
    return _row("hold", [button("release", "Release", value), button("leave", "Leave", value)])


def of_stop(run: str) -> list[Block]:
    return _row("stop", [button("pause", "Pause for 24 h", run)])


def of_exemption(run: str) -> list[Block]:
    row = _row("exempt", [button("exempt", "Exempt for 7 days", run, style="primary")])
    return [text_input("reason", "reason", "Reason", hint="Everybody can read it", most=300), *row] if row else []


def _row(block_id: str, found: Sequence[Block]) -> list[Block]:
    if not found or any(length(each["value"]) > _MOST_VALUE for each in found):
        return []
    return [buttons(block_id, *found)]


def _extend(rate: Decimal | None, step: timedelta) -> str:
    cost = f"+{show_usd(spent_usd(rate, step))}" if rate is not None else "price unknown"
    return f"Extend {durations.show(step)} ({cost})"
