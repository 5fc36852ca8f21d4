"""The table of operations as people read it: `python -m decouple.aws.catalogue README.md` writes it there.

One line for all operations of a service of which the same is to be said.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from decouple.aws.service import Service, find_service, services

__all__ = ["BEGIN", "END", "table", "written"]

BEGIN = "<!-- operations: python -m decouple.aws.catalogue README.md -->"
END = "<!-- end of operations -->"
LEVELS = {"works": "works", "stored": "stored only", "refused": "refused"}


def table() -> str:
    """Every operation of every service, in Markdown."""
    lines = ["| Service | | Operations | |", "| --- | --- | --- | --- |"]
    for name in services():
        service = find_service(name)
        if service is not None:
            lines += rows(service)
    return "\n".join(lines)


def rows(service: Service) -> Iterator[str]:
    """The lines of one service: what works, what is stored, what is refused, each by the note beside it."""
    groups: dict[tuple[str, str], list[str]] = {}
    for operation in sorted(service.operations.values()):
        groups.setdefault((operation.level, operation.note), []).append(operation.name)
    for level, word in LEVELS.items():
        for (its, note), names in groups.items():
            if its == level:
                yield f"| {service.title} | {word} | {', '.join(names)} | {note} |"


def written(text: str) -> str:
    """The text with the table between its marks. Raises ValueError where there are none."""
    before, mark, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"the text has no {BEGIN} followed by {END}")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> None:
    """Write the table into the file that is named."""
    path = Path(sys.argv[1])
    path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
