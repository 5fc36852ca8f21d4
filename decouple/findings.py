"""Finding: what the linter says, as a record that a person reads and a program can filter."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

__all__ = ["SEVERITIES", "Finding", "Severity"]

Severity: TypeAlias = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
"""Worst first."""


class Finding(NamedTuple):
    """One thing that is wrong or risky.

    where: the queue's name, or file:line; text: what it is, and how to mend it; source: the AWS document that says so.
    """

    severity: Severity
    rule: str
    where: str
    text: str
    source: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.where}: {self.text} [{self.rule}]"
