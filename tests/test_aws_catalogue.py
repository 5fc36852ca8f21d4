"""The README says of every operation what it does here."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from decouple.aws.catalogue import table, written
from decouple.aws.service import find_service, services

README = Path(__file__).parent.parent / "README.md"


def test_the_readme_has_the_table_that_the_code_makes() -> None:
    text = README.read_text(encoding="utf-8")

    assert written(text) == text, "python -m decouple.aws.catalogue README.md"


# A newer botocore may know operations that this table cannot.
@pytest.mark.skipif(version("botocore") > "1.44", reason="the table was made with botocore 1.43")
@pytest.mark.parametrize("name", services())
def test_every_operation_of_a_service_is_in_the_table(name: str) -> None:
    service = find_service(name)
    assert service is not None

    listed = {word for line in table().splitlines() if line.startswith(f"| {service.title} |") for word in cells(line)}

    assert listed >= set(service.model.operations)


def cells(line: str) -> list[str]:
    return line.split("|")[3].strip().split(", ")


@pytest.mark.parametrize("name", services())
def test_what_is_refused_or_only_stored_says_why(name: str) -> None:
    service = find_service(name)
    assert service is not None

    silent = [one.name for one in service.operations.values() if one.level != "works" and not one.note]

    assert silent == []


def test_a_text_without_the_marks_is_told_so() -> None:
    with pytest.raises(ValueError, match="has no <!-- operations"):
        written("# decouple")
