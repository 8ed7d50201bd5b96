"""How each shown `costwatch` command is run: what stands for its names, who types it, and what comes of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.support.docs import Command, program_of, variants

NAMES: Final[Mapping[str, str]] = {
    "RUN": "churn-41",
    "TYPE": "p4d.24xlarge",
    "MODEL": "churn",
    "VERSION": "2",
    "41": "2",
    "us-east-1/churn/41": "us-east-1/churn/2",
    "QUEUE": "hints",
    "B": "my-company-code",
    "FILE": "other.yaml",
    "SECONDS": "10",
    "R": "us-east-1",
    "N": "100",
    "a,b": "us-east-1",
    "x,y": "p4d.24xlarge,g5.12xlarge",
    "<its name>": "costwatch-ledger",
}
"""What the pages call things, and what the account has for it; HOLD and ID are known when it is there."""


@dataclass(frozen=True)
class How:
    """`exit`: its exit code. `who`: an IAM user. `answers`: what is typed where it asks; None: nobody is there.

    `anew`: it is an alternative to what stands before it on the page, and begins where the page did. `names`: as NAMES,
    for this command. `waits`: what happens while it waits, the answer of an approver or a Ctrl-C. `says`: part of what
    it prints.
    """

    exit: int = 0
    who: str = "maria"
    answers: str | None = None
    anew: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    waits: str = ""
    says: str = ""


RAVI: Final = "ravi"
_UNFINISHED: Final = How(exit=2, says="issing")
"""The command's name in a sentence: it asks for the rest."""
_RETURN: Final = "\n" * 12
_MY_GROUP: Final = {"RUN": "my-group"}
_RES_JOB: Final = {"churn-41": "churn-weekly-2"}
HOW: Final[Mapping[str, How]] = {
    **dict.fromkeys(
        (
            "approve",
            "estimate",
            "estimate --json",
            "explain",
            "extend",
            "gate",
            "gate --wait",
            "prices show",
            "release",
            "report",
            "res",
            "restore",
            "stop",
        ),
        _UNFINISHED,
    ),
    "guardrail-policy --require-approval-tag-for": How(exit=2, says="requires an argument"),
    "approve ID": How(who=RAVI, says="approved"),
    "approve ID --cap 17h": How(who=RAVI, anew=True, says="17 h"),
    "check-config": How(says="is valid"),
    "check-config FILE": How(says="is valid"),
    'deny ID --reason "..."': How(who=RAVI, anew=True, says="denied"),
    "doctor": How(exit=1, says="dead-letter queues"),
    "doctor --json": How(exit=1, says='"check": "dead-letter queues"'),
    "doctor --config prod.yaml --region eu-central-1": How(exit=1, says="nothing is deployed yet"),
    "estimate --job train.json --region us-east-1 --fail-above 400": How(exit=4, says="above $400.00"),
    'exempt RUN --for 7d --reason "..."': How(who=RAVI, says="exempt until"),
    'exempt churn-41 --for 7d --reason "final run for the audit"': How(who=RAVI, says="exempt until"),
    "explain churn-41": How(says="user/maria asked to stop it: done"),
    "extend RUN 4h": How(anew=True, says="20 h of 24 h are left"),
    "extend churn-41 4h": How(says="20 h of 24 h are left"),
    "gate --job job.json --wait": How(waits="an approver", says="Approved by ravi"),
    "gate --job train.json --wait": How(waits="an approver", says="Approved by ravi"),
    "init": How(answers="y" + _RETURN, says="is written"),
    "init accounts/111122223333.yaml": How(answers=_RETURN, says="is written"),
    "init FILE": How(answers=_RETURN, says="is written"),
    "promote MODEL VERSION": How(who=RAVI, says="Approved"),
    'promote MODEL VERSION --reason "..."': How(who=RAVI, anew=True, says="Approved"),
    'promote churn 41 --reason "..."': How(who=RAVI, says="Approved"),
    "reject MODEL VERSION": How(who=RAVI, anew=True, says="Rejected"),
    "redrive QUEUE --resend": How(who=RAVI, answers="y\n", says="ent again"),
    "release HOLD": How(who=RAVI, says="released by"),
    "res --model churn --training-job churn-41": How(exit=8, names=_RES_JOB, says="too small for its cost"),
    "restore RUN": How(answers="y\n", names=_MY_GROUP, anew=True, says="minimum 2"),
    "restore my-group": How(answers="y\n", says="minimum 2"),
    "should-retrain --model churn": How(exit=6, says="Skip"),
    "status --watch": How(waits="Ctrl-C"),
    "status --watch SECONDS": How(waits="Ctrl-C"),
    "stop RUN": How(answers="y\n", anew=True, says="stopped"),
    'stop churn-41 --reason "done"': How(answers="y\n", anew=True, says="stopped"),
}


@dataclass(frozen=True)
class Typed:
    """One command as somebody types it. `to`: the file that its output goes into; empty: none."""

    shown: Command
    text: str
    words: tuple[str, ...]
    variables: Mapping[str, str]
    to: str
    how: How


def typed(shown: Command, known: Mapping[str, str]) -> Iterator[Typed]:
    """Each variant of a shown `costwatch` command; nothing for other programs. `known`: more names."""
    if program_of(shown.text) != "costwatch":
        return
    for text in variants(shown.text):
        words = shlex.split(text.replace("<its name>", "'<its name>'"))
        variables = {}
        while "=" in words[0]:
            name, _, value = words.pop(0).partition("=")
            variables[name] = NAMES.get(value, value)
        called = text[text.index("costwatch ") + len("costwatch ") :].partition(" > ")[0]
        to = words[words.index(">") + 1] if ">" in words else ""
        how = HOW.get(called, How())
        names = {**NAMES, **known, **how.names}
        given = words[1 : words.index(">")] if to else words[1:]
        yield Typed(shown, text, tuple(names.get(word, word) for word in given), variables, to, how)
