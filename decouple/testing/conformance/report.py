"""Conformance: which behaviours an engine showed, as a table, and what was wrong with the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decouple.capabilities import Capabilities
    from decouple.testing.conformance.behaviour import Behaviour, Outcome, Verdict

__all__ = ["Conformance"]

COLUMNS: tuple[Outcome, ...] = ("held", "lacking", "failed", "skipped")
STYLE = """\
.conformance{font:13px/1.4 system-ui,sans-serif;border-collapse:collapse}.conformance td,.conformance th{padding:.15em .8em;\
text-align:left;vertical-align:top}.conformance td.n{text-align:right}.conformance tr.failed td:first-child{color:#c63d2f}\
.conformance tr.held td:first-child{color:#2e8b57}"""


class Conformance:
    """What came of a suite. verdicts: by the name of the behaviour, in the order of the specification.

    passed: those that hold, and those that are missing as declared; failed, skipped: with the reason. str() is a table by
    part of the specification, and a line for each behaviour that does not simply hold.
    """

    def __init__(self, kind: str, traits: Capabilities, verdicts: Mapping[Behaviour, Verdict]) -> None:
        self.kind = kind
        self.traits = traits
        self.verdicts = {one.name: verdict for one, verdict in verdicts.items()}
        self._behaviours = {one.name: one for one in verdicts}

    def __repr__(self) -> str:
        return f"<Conformance of a {self.kind}: {self._summary()}>"

    def _of(self, *outcomes: Outcome) -> dict[str, str]:
        return {name: verdict.why for name, verdict in self.verdicts.items() if verdict.outcome in outcomes}

    @property
    def passed(self) -> dict[str, str]:
        """The behaviours that are as declared."""
        return self._of("held", "lacking")

    @property
    def failed(self) -> dict[str, str]:
        """Those that are not, and what happened."""
        return self._of("failed")

    @property
    def skipped(self) -> dict[str, str]:
        """Those that were not tried, and why."""
        return self._of("skipped")

    @property
    def sentences(self) -> dict[str, str]:
        """What each behaviour says."""
        return {name: one.sentence for name, one in self._behaviours.items()}

    def _summary(self) -> str:
        counts = Counter(verdict.outcome for verdict in self.verdicts.values())
        return f"{len(self.verdicts)} behaviours, " + ", ".join(f"{counts[one]} {one}" for one in COLUMNS)

    def _areas(self) -> dict[str, Counter[str]]:
        areas: dict[str, Counter[str]] = {}
        for name, verdict in self.verdicts.items():
            areas.setdefault(self._behaviours[name].area, Counter())[verdict.outcome] += 1
        return areas

    def __str__(self) -> str:
        lines = [f"conformance of a {self.kind}: {self._summary()}", ""]
        lines.append(f"{'':16}" + "".join(f"{one:>9}" for one in COLUMNS))
        for area, counts in self._areas().items():
            lines.append(f"{area:16}" + "".join(f"{counts[one] or '.':>9}" for one in COLUMNS))
        others = [
            f"{verdict.outcome:8} {name}: {verdict.why}"
            for name, verdict in self.verdicts.items()
            if verdict.outcome != "held"
        ]
        return "\n".join([*lines, *([""] if others else []), *others])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr class="{verdict.outcome}"><td>{verdict.outcome}</td><td>{escape(self._behaviours[name].area)}</td>'
            f"<td>{escape(self._behaviours[name].sentence)}</td><td>{escape(verdict.why)}</td></tr>"
            for name, verdict in self.verdicts.items()
        )
        head = "<tr><th></th><th>part</th><th>behaviour</th><th></th></tr>"
        return f'<style>{STYLE}</style><p>{escape(repr(self)[1:-1])}</p><table class="conformance">{head}{rows}</table>'
