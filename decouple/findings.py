"""Finding: what the linter says, as a record that a person reads and a program can filter; and the rules it comes from."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from typing import Generic, Literal, NamedTuple, TypeAlias, TypeVar

__all__ = ["SEVERITIES", "Finding", "Look", "Rule", "Rules", "Severity"]

V = TypeVar("V")

Severity: TypeAlias = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""Worst first."""


class Finding(NamedTuple):
    """One thing that is wrong or risky.

    where: the queue's or topic's name, "topic -> target" for a subscription, or file:line; text: what it is, and how to
    mend it; source: the AWS document that says so.
    """

    severity: Severity
    rule: str
    where: str
    text: str
    source: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.text} [{self.rule}]"


Look: TypeAlias = Callable[[V], str | None]
"""What is wrong with one thing and how to mend it, in words; None: nothing."""


class Rule(NamedTuple, Generic[V]):
    """A rule, with the severity of its findings and the document it is from."""

    severity: Severity
    source: str
    look: Look[V]


class Rules(dict[str, Rule[V]]):
    """The rules about one kind of thing, by name."""

    def rule(self, severity: Severity, source: str) -> Callable[[Look[V]], Look[V]]:
        """Enter a function into the table under its name, with hyphens."""

        def enter(look: Look[V]) -> Look[V]:
            self[look.__name__.replace("_", "-")] = Rule(severity, source, look)
            return look

        return enter

    def findings(self, where: str, view: V, ignored: Container[str]) -> Iterator[Finding]:
        """What the rules that are not ignored say of it, in the table's order."""
        for name, rule in self.items():
            if name not in ignored and (text := rule.look(view)) is not None:
                yield Finding(rule.severity, name, where, text, rule.source)
