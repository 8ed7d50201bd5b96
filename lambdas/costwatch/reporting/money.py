"""The sections about dollars: spent, forecast, what enforce would have saved and destroyed, what was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from costwatch.core import graduating
from costwatch.core import spend as spending
from costwatch.core.graduating import Case, Graduation, Truth
from costwatch.core.money import show_usd
from costwatch.core.record import Transition
from costwatch.core.run_cost import ACCRUED, RunCost
from costwatch.core.spend import By
from costwatch.reporting import plots, series
from costwatch.reporting.facts import Facts
from costwatch.reporting.parts import (
    MOST_BARS,
    Cell,
    PlotKey,
    Section,
    Table,
    counted,
    moment,
    name,
    row,
    unknown,
)
from costwatch.reporting.plots import COLOURS

_FURTHEST: Final = 15
_STOPS: Final = (Transition.VERIFIED_GONE, Transition.VERIFIED_STOPPED, Transition.CAME_BACK)


def spend(facts: Facts) -> Section:
    found, everything = spending.lines(facts.spent, By.TEAM), spending.total(facts.spent)
    over_time = series.by_team(facts)
    teams = tuple(PlotKey(team, COLOURS[n]) for n, (team, _) in enumerate(over_time.teams))
    rows = [
        row(
            line.key,
            f"{line.runs} ({line.open} open)" if line.open else str(line.runs),
            Cell(show_usd(line.usd), unknown(line.unknown)),
            show_usd(line.wasted_usd) if line.wasted_usd else "-",
            f"{line.gpu_hours:,.1f}",
        )
        for line in found
    ]
    columns = [
        row(f"{day:%d %b %Y}", *(show_usd(amounts[n]) if amounts[n] else "-" for _, amounts in over_time.teams))
        for n, day in enumerate(over_time.columns)
        if over_time.total(n)
    ]
    names = tuple(team for team, _ in over_time.teams)
    missing = f" {unknown(everything.unknown)}; they are in no sum." if everything.unknown else ""
    return Section(
        id="spend",
        heading="Spend by team",
        figure=show_usd(everything.usd),
        figure_of=counted(everything.runs, "run"),
        note=f"By {over_time.unit}, UTC. A run that is over counts whole where it ended, at its actual cost; an open "
        f"one today, with at most what it has cost so far.{missing}",
        plot=plots.spend(over_time) if not over_time.empty else None,
        keys=teams,
        plot_says=f"Spend by {over_time.unit}: " + ", ".join(f"{line.key} {show_usd(line.usd)}" for line in found),
        empty="No run with a known cost ended or was open in this time.",
        tables=(
            Table(
                ("Team", "Runs", "Spent", "Failed or stopped", "GPU-hours"), rows,
                frozenset({"Runs", "Spent", "Failed or stopped", "GPU-hours"}), where="costwatch spend --by team",
            ),
            Table(
                (over_time.unit.capitalize(), *names), columns, frozenset(names), "The figures of the plot", folded=True
            ),
        ),
    )  # fmt: skip


def forecast(facts: Facts) -> Section:
    both = [
        (cost, cost.forecast.expected_usd, cost.actual_usd)
        for cost in facts.costs
        if cost.forecast is not None and cost.forecast.expected_usd is not None and cost.actual_usd is not None
    ]
    points = [(expected, actual) for _, expected, actual in both if expected > 0 and actual > 0]
    expected_usd, actual_usd = (sum((pair[n] for pair in points), Decimal(0)) for n in (0, 1))
    furthest = sorted(both, key=lambda each: -abs(each[2] - each[1]))[:_FURTHEST]
    within = [actual <= cost.forecast.p90_usd for cost, _, actual in both
              if cost.forecast is not None and cost.forecast.p90_usd is not None]  # fmt: skip
    kept = f" {sum(within)} of {len(within)} cost no more than their p90, as 9 in 10 ought to." if within else ""
    figure, figure_of = _against(expected_usd, actual_usd, len(points))
    return Section(
        id="forecast",
        heading="Forecast against actual",
        figure=figure,
        figure_of=figure_of,
        note="The forecast is the one made when a run was first seen." + kept,
        plot=plots.forecast(points) if points else None,
        keys=(
            PlotKey("a run: forecast to the right, actual upwards, both on a logarithmic scale", COLOURS[0]),
            PlotKey("actual as forecast; above it dearer", "var(--quiet)"),
        ),
        plot_says=f"{counted(len(points), 'run')}: {show_usd(expected_usd)} forecast, {show_usd(actual_usd)} actual",
        empty="No run that ended in this time has both a forecast and an actual cost above $0.",
        tables=(
            Table(
                ("Run", "Ended", "Forecast", "Actual", "Error"),
                [_forecast_row(cost, expected, actual) for cost, expected, actual in furthest],
                frozenset({"Forecast", "Actual", "Error"}), "Furthest from their forecast",
            ),
        ),
    )  # fmt: skip


def _against(expected_usd: Decimal, actual_usd: Decimal, runs: int) -> tuple[str, str]:
    """What runs cost together beside their forecasts, and in words what that is."""
    if not runs:
        return "-", "no run has a forecast and an actual cost"
    percent = round((actual_usd / expected_usd - 1) * 100)
    if not percent:
        return "as forecast", f"is what {counted(runs, 'run')} cost"
    return f"{abs(percent):,}% {'more' if percent > 0 else 'less'}", f"than forecast: {counted(runs, 'run')}"


def _forecast_row(cost: RunCost, expected: Decimal, actual: Decimal) -> tuple[Cell, ...]:
    p90 = cost.forecast.p90_usd if cost.forecast is not None else None
    error = f"{(actual / expected - 1) * 100:+.0f}%" if expected else "-"
    basis = "at most" if cost.basis == ACCRUED else cost.basis
    nine = f"p90 {show_usd(p90)}" if p90 is not None else ""
    return row(
        Cell(cost.name, cost.outcome.value), moment(cost.ended_at), Cell(show_usd(expected), nine),
        Cell(show_usd(actual), basis), error,
    )  # fmt: skip


def would_haves(facts: Facts) -> Section:
    by_selector = graduating.by_selector(facts.would_haves)
    nets = [each.net_usd for each in by_selector]
    known = [net for net in nets if net is not None]
    net = sum(known, Decimal(0)) if len(known) == len(nets) else None
    figure, figure_of = _on_balance(facts.would_haves, net)
    bars = [(each.selector, each.saved_usd, each.usd(Truth.FINISHED)) for each in by_selector]
    bars = [bar for bar in bars if bar[1] or bar[2]][:MOST_BARS]
    cases = [_case(case) for case in reversed(facts.would_haves)]
    return Section(
        id="would-haves",
        heading="What enforce would have done",
        figure=figure,
        figure_of=figure_of,
        note="Each run that would have been stopped, with what really became of it. What finished its work would have "
        "lost it; what ran on would have cost no more. Doubtful: an instance that ran on, of which nobody sees whether "
        "its work was done, and what was not due any more later.",
        plot=plots.pairs("would-haves", bars) if bars else None,
        keys=(PlotKey("ran on: would have been saved", COLOURS[0]), PlotKey("finished: would be lost", COLOURS[1])),
        plot_says="; ".join(f"{label}: {show_usd(a)} saved, {show_usd(b)} lost" for label, a, b in bars),
        empty="No would-have with known dollars ended in this time."
        if facts.would_haves
        else "Nothing would have been stopped in this time.",
        tables=(
            Table(
                ("Selector", "Finished", "Ran on", "Net", "Doubtful", "Still run"),
                [_graduation(each) for each in by_selector],
                frozenset({"Finished", "Ran on", "Net", "Doubtful", "Still run"}),
            ),
            Table(("Run", "Selector", "When", "What became of it", "Dollars"), cases, frozenset({"Dollars"}),
                  "Each of them", folded=True, where="costwatch status --would-have --json"),
        ),
    )  # fmt: skip


def _on_balance(cases: Sequence[Case], net_usd: Decimal | None) -> tuple[str, str]:
    """The dollars of those that are over, and what they are; what still runs is in no balance, but is not $0 either."""
    over = [case for case in cases if case.truth in (Truth.FINISHED, Truth.RAN_ON) and not case.unpriced]
    still = [case for case in cases if case.truth is Truth.STILL_RUNS]
    known = [case.usd for case in still if case.usd is not None]
    came_to = "lost" if net_usd is not None and net_usd < 0 else "saved"
    told = [f"{came_to} on balance: {counted(len(over), 'run')}"] if over else []
    if still:
        so_far = f": {show_usd(sum(known, Decimal(0)))} so far" if known else ""
        told.append(f"{counted(len(still), 'run')} not over{so_far}")
    let_go_on = sum(case.truth is Truth.STOOD_DOWN for case in cases)
    unpriced = len(cases) - len(over) - len(still) - let_go_on
    told += [f"{unpriced} without a known price"] if unpriced else []
    told += [f"{let_go_on} not due any more"] if let_go_on else []
    shown = show_usd(abs(net_usd)) if net_usd is not None else "unknown"
    return shown if over or net_usd is None else "-", "; ".join(told) or "nothing would have been stopped"


def _graduation(each: Graduation) -> tuple[Cell, ...]:
    still = each.of(Truth.STILL_RUNS)
    return row(
        each.selector,
        Cell(str(len(each.of(Truth.FINISHED))), show_usd(each.usd(Truth.FINISHED))),
        Cell(str(len(each.of(Truth.RAN_ON))), show_usd(each.saved_usd)),
        Cell(show_usd(each.net_usd), unknown(each.unpriced)),
        str(len(each.doubtful)),
        Cell(str(len(still)), f"{show_usd(each.usd(Truth.STILL_RUNS))} so far" if still else ""),
    )


def _case(case: Case) -> tuple[Cell, ...]:
    usd = "-" if case.truth is Truth.STOOD_DOWN else show_usd(case.usd)
    doubt = "doubtful" if case.doubtful else ""
    return row(Cell(case.name, case.run), case.selector, moment(case.at), Cell(case.reason, doubt), usd)


def stops(facts: Facts) -> Section:
    stops = facts.entries(*_STOPS)
    gone = [entry for _, entry in stops if entry.transition is not Transition.CAME_BACK]
    rows = [row(Cell(name(about), about), moment(e.at), e.transition.value, e.reason) for about, e in stops[::-1]]
    return Section(
        id="stops",
        heading="What Costwatch stopped",
        figure=str(len(gone)),
        figure_of="stops, verified",
        empty="" if stops else "Nothing was stopped in this time.",
        tables=(Table(("Run", "When", "What", "Why"), rows, where="costwatch ledger"),),
    )
