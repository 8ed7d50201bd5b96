"""The sections about decisions: of people, of the RES breaker, and whether to train."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from costwatch.core import durations, res_words
from costwatch.core.approvals import Approval, State
from costwatch.core.judgements import Judgement
from costwatch.core.money import show_usd
from costwatch.core.record import Transition
from costwatch.core.res_standing import standing_plain
from costwatch.reporting import plots
from costwatch.reporting.facts import BY_PEOPLE, Facts
from costwatch.reporting.parts import (
    MOST_BARS,
    Cell,
    PlotKey,
    Section,
    Table,
    counted,
    dollars,
    moment,
    name,
    person,
    row,
)
from costwatch.reporting.plots import COLOURS

_ADVICE: Final = (Transition.TRAINING_ADVISED, Transition.TRAINING_SKIPPED)


def decisions(facts: Facts) -> Section:
    asked = facts.approvals
    answered = [each for each in asked if each.answer is not None and each.state in (State.APPROVED, State.DENIED)]
    waits = sorted(each.answer.at - each.asked_at for each in answered if each.answer is not None)
    median = f" The median time to a decision was {durations.show(waits[len(waits) // 2])}." if waits else ""
    people = facts.entries(*BY_PEOPLE)
    rows = [
        row(Cell(name(about), about), moment(e.at), e.transition.value, person(e.actor), e.reason)
        for about, e in people[::-1]
    ]
    return Section(
        id="decisions",
        heading="Decisions by people",
        figure=str(len(answered) + len(people)),
        figure_of=f"{counted(sum(each.state is State.PENDING for each in asked), 'question')} open",
        note=f"Questions about money, and what people did by a button or a command.{median}",
        empty="" if asked or people else "Nobody was asked and nobody decided anything in this time.",
        tables=(
            Table(
                ("What", "Asked", "Judged", "Answer", "By"), [_approval(each) for each in asked[::-1]],
                frozenset({"Judged"}), "Approvals", where="costwatch ledger",
            ),
            Table(("Run", "When", "What", "By", "Why"), rows, heading="Other decisions", where="costwatch ledger"),
        ),
    )  # fmt: skip


def _approval(each: Approval) -> tuple[Cell, ...]:
    answer = each.answer
    took = f"after {durations.show(answer.at - each.asked_at)}" if answer is not None else ""
    return row(
        Cell(each.asked.name, f"{each.asked.team or 'no team'} · {each.id}"),
        moment(each.asked_at),
        Cell(show_usd(each.asked.judged_usd), f"above {show_usd(each.asked.above_usd)}"),
        Cell(each.state.value, took),
        Cell(person(answer.name or answer.by) if answer is not None else "-", answer.reason if answer else ""),
    )


def verdicts(facts: Facts) -> Section:
    found = facts.judgements[::-1]
    bars = [
        (each.name, each.verdict.score.worth_usd, each.verdict.cost.usd)
        for each in found
        if each.verdict.score is not None and each.verdict.cost is not None
    ]
    known = [
        (label, max(worth, Decimal(0)), cost) for label, worth, cost in bars if worth is not None and cost is not None
    ]
    cost = sum((each.verdict.cost.usd or Decimal(0) for each in found if each.verdict.cost is not None), Decimal(0))
    return Section(
        id="verdicts",
        heading="Verdicts about retrained models",
        figure=str(len(found)),
        figure_of=f"{show_usd(cost)} of training",
        note=f"What each gained against what its training cost; the newest {MOST_BARS} in the plot." if found else "",
        plot=plots.pairs("verdicts", known[:MOST_BARS]) if known else None,
        keys=(PlotKey("what the gain is worth", COLOURS[0]), PlotKey("what it cost", COLOURS[1])),
        plot_says="; ".join(f"{label}: worth {show_usd(a)}, cost {show_usd(b)}" for label, a, b in known[:MOST_BARS]),
        empty="No verdict of this time has both a worth and a cost in dollars."
        if found
        else "No retrained model was judged in this time.",
        tables=(
            Table(
                ("Model", "Judged", "Verdict", "Gain", "Worth", "Cost", "Score", "What became of it"),
                [_verdict(each) for each in found], frozenset({"Gain", "Worth", "Cost", "Score"}),
                where="costwatch verdicts",
            ),
        ),
    )  # fmt: skip


def _verdict(each: Judgement) -> tuple[Cell, ...]:
    verdict = each.verdict
    gain = res_words.show_gain(verdict.gain.amount, verdict.gain.kind) if verdict.gain is not None else "-"
    reached, needed = res_words.show_scores(verdict.score) if verdict.score is not None else ("-", "")
    return row(
        Cell(each.name, each.team),
        moment(each.judged_at),
        Cell(verdict.value.value, verdict.reason),
        gain,
        res_words.show_worth(verdict) or "-",
        res_words.show_cost(verdict),
        Cell(reached, f"needed {needed}" if needed else ""),
        standing_plain(each),
    )


def retraining(facts: Facts) -> Section:
    asked = facts.entries(*_ADVICE)
    skipped = sum(entry.transition is Transition.TRAINING_SKIPPED for _, entry in asked)
    rows = []
    for about, entry in reversed(asked):
        known = dict(entry.evidence)
        worth, cost = (dollars(known.get(key, "")) for key in ("expected_worth_usd", "expected_cost_usd"))
        answer = "skip" if entry.transition is Transition.TRAINING_SKIPPED else "train"
        rows.append(
            row(
                Cell(name(about), entry.mode),
                moment(entry.at),
                answer,
                worth,
                cost,
                known.get("score", "-"),
                entry.reason,
            )
        )
    return Section(
        id="should-retrain",
        heading="Should it be trained again?",
        figure=str(len(asked)),
        figure_of=f"{skipped} said skip",
        empty="" if asked else "Nobody asked whether to train in this time.",
        tables=(
            Table(
                ("Model", "Asked", "Answer", "Expected worth", "Expected cost", "Score", "Why"), rows,
                frozenset({"Expected worth", "Expected cost", "Score"}), where="costwatch ledger",
            ),
        ),
    )  # fmt: skip
