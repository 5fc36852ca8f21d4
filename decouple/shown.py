"""How results show themselves in a notebook. All that came from outside is escaped, and nothing runs."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["as_it_stands", "table"]


def as_it_stands(result: object) -> str:
    """What `print` shows."""
    return f"<pre>{escape(str(result))}</pre>"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Texts in cells, aligned at the left."""
    first = "".join(f'<th style="text-align:left">{escape(cell)}</th>' for cell in head)
    cells = ["".join(f'<td style="text-align:left">{escape(str(cell))}</td>' for cell in row) for row in rows]
    return f"<table><tr>{first}</tr>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"
