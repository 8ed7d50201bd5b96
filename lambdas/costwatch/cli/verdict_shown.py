"""A verdict for people: in a terminal, in a log, and in a job's summary."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from costwatch.cli import show
from costwatch.cli.markdown import table, text
from costwatch.core import res_words
from costwatch.core.money import show_usd
from costwatch.core.res import Value, Verdict
from costwatch.core.res_policy import GainKind, ModelRules

_TITLES: Final = {
    Value.PROMOTE: "Promote",
    Value.REJECT: "Not promoted",
    Value.TOO_DEAR: "Not promoted",
    Value.FIRST_MODEL: "First model",
    Value.UNJUDGED: "Not judged",
    Value.OVERRIDDEN: "Overridden",
}


def title(verdict: Verdict, rules: ModelRules) -> str:
    """`Not promoted: churn. A real gain, too small for its cost`."""
    waits = "Waiting for a yes" if verdict.ask else _TITLES[verdict.value]
    reason = verdict.reason[:1].upper() + verdict.reason[1:]
    return f"{waits}: {rules.name}. {reason}" if rules.name else f"{waits}: {verdict.reason}"


def show_verdict(verdict: Verdict, rules: ModelRules) -> None:
    """Print it."""
    out = show.console()
    show.say(out, f"{title(verdict, rules)}.", style="bold")
    facts = list(_facts(verdict, rules))
    if facts:
        show.facts(out, facts)
    for sentence in sentences(verdict, rules):
        show.say(out, sentence)


def in_markdown(verdict: Verdict, rules: ModelRules) -> str:
    """For a job's summary; ends with a line break. Names in it are other people's text."""
    blocks = [f"### Costwatch: {text(title(verdict, rules))}"]
    facts = [(text(label), text(value)) for label, value in _facts(verdict, rules)]
    if facts:
        blocks.append(table(("", ""), facts))
    blocks += [text(sentence) for sentence in sentences(verdict, rules)]
    return "\n\n".join(blocks) + "\n"


def sentences(verdict: Verdict, rules: ModelRules) -> Iterator[str]:
    """What follows from it: what would have passed, and whose money is gone."""
    if passes := _passes(verdict):
        yield passes
    if verdict.value is Value.UNJUDGED:
        yield "Nothing is rejected that could not be judged: the candidate stays as it is."
    if verdict.value in (Value.REJECT, Value.TOO_DEAR) and verdict.gain is not None:
        yield "Production stays on what serves."
    cost = verdict.cost
    if verdict.value in (Value.REJECT, Value.TOO_DEAR) and cost is not None and cost.usd:
        yield f"The {res_words.show_cost(verdict)} is spent either way. What saves money is not to train in vain."
    if verdict.gain is not None and verdict.gain.noise is None and rules.min_gain is None:
        yield "Nothing tells how much of the gain is chance: no standard error, and no minimum gain."


def _facts(verdict: Verdict, rules: ModelRules) -> Iterator[tuple[str, str]]:
    found, measured, cost = verdict.gain, verdict.score, verdict.cost
    if found is not None:
        before, after = res_words.show_readings(found)
        errors = res_words.show_errors(found)
        noise = f", {errors}" if errors else ""
        yield "Gain", f"{rules.metric} {before} -> {after}: {res_words.show_gain(found.amount, found.kind)}{noise}"
        if found.noise is not None:
            yield "Noise", f"{rules.standard_errors:f} standard errors must be reached ({found.noise.basis})"
        elif rules.min_gain is not None:
            yield "Noise", f"below {res_words.show_gain(rules.min_gain, found.kind).lstrip('+')} it counts as none"
    if worth := res_words.show_worth(verdict):
        yield "Worth", f"{worth} ({_worth(rules, verdict.in_service)})"
    if cost is not None:
        yield "Cost", _cost(verdict)
        if cost.all_candidates_usd is not None:
            yield "All", f"{show_usd(cost.all_candidates_usd)} for all candidates since the last promotion"
    if measured is not None:
        reached, needed = res_words.show_scores(measured)
        unit = "" if measured.bounded else " of gain per $1,000"
        yield "Score", f"{reached}{unit}, needed {needed}"


def _cost(verdict: Verdict) -> str:
    cost = verdict.cost
    if cost is None or cost.usd is None:
        return "unknown"
    hours = f"{cost.gpu_hours:,.0f} GPU-hours" if cost.gpu_hours is not None else ""
    beside = ", ".join(each for each in (cost.what, hours) if each)
    return f"{res_words.show_cost(verdict)} ({beside})" if beside else res_words.show_cost(verdict)


def _worth(rules: ModelRules, in_service: timedelta | None) -> str:
    worth = rules.worth
    if worth is None:
        return ""
    per = f"{(worth.per * 100).normalize():f}%" if rules.gain is GainKind.RELATIVE else f"{worth.per:f}"
    serves = f", and it serves {res_words.show_period(in_service)}" if in_service not in (None, worth.over) else ""
    return f"{show_usd(worth.usd)} per {per} over {res_words.show_period(worth.over)}{serves}"


def _passes(verdict: Verdict) -> str:
    """`It would have passed at auc 0.920 or better, or at $800.00 or less.` Empty: nothing is known to have helped."""
    found = verdict.gain
    if found is None or verdict.value not in (Value.PROMOTE, Value.REJECT, Value.TOO_DEAR):
        return ""
    ways = []
    if verdict.passes_at_metric is not None:
        shown = res_words.show_passing_metric(found, verdict.passes_at_metric)
        ways.append(f"at {verdict.metric} {shown} or better")
    if verdict.passes_at_usd is not None and (dollars := res_words.show_passing_usd(verdict.passes_at_usd)):
        ways.append(f"at {dollars} or less")
    if not ways:
        return ""
    if verdict.value is Value.PROMOTE:
        return f"It passes {', or '.join(ways)}."
    return f"It would have passed {', or '.join(ways)}."
