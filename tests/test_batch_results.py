"""What a handler's answer says of its batch: AWS's table for ReportBatchItemFailures, a row each."""

from __future__ import annotations

from typing import Any

import pytest

from decouple.core.batch_results import read_answer

IDS = ["a", "b", "c"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "",
        [],
        (),
        {},
        {"batchItemFailures": []},
        {"batchItemFailures": None},
        {"statusCode": 200},
    ],
    ids=repr,
)
def test_these_answers_say_that_the_whole_batch_succeeded(answer: Any) -> None:
    """Lambda developer guide, "Success conditions"; the bare "" and [] were recorded."""
    assert read_answer(answer, IDS) == (frozenset(), None)


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        ({"batchItemFailures": [{"itemIdentifier": "b"}]}, ["b"]),
        ({"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "b"}]}, ["b"]),
        ({"batchItemFailures": ({"itemIdentifier": "a", "why": "late"},), "more": 1}, ["a"]),
        ({"batchItemFailures": [{"itemIdentifier": one} for one in IDS]}, [*IDS]),
    ],
    ids=repr,
)
def test_the_messages_named_failed_and_the_others_succeeded(answer: Any, failed: list[str]) -> None:
    assert read_answer(answer, IDS) == (set(failed), None)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("done", "the answer must be an object or null, not 'done'"),
        ([{"itemIdentifier": "a"}], "the answer must be an object or null"),
        (True, "not True"),
        (False, "not False"),
        (0, "not 0"),
        ({"batchItemFailures": {}}, "batchItemFailures must be a list, not {}"),
        ({"batchItemFailures": "a"}, "batchItemFailures must be a list, not 'a'"),
        ({"batchItemFailures": False}, "batchItemFailures must be a list, not False"),
        ({"batchItemFailures": ["a"]}, "an entry of batchItemFailures must be {'itemIdentifier': id}, not 'a'"),
        ({"batchItemFailures": [None]}, "not None"),
        ({"batchItemFailures": [{"ItemIdentifier": "a"}]}, "not {'ItemIdentifier': 'a'}"),
        ({"batchItemFailures": [{}]}, "not {}"),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, "itemIdentifier must be the id of a message, not ''"),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, "itemIdentifier must be the id of a message, not None"),
        ({"batchItemFailures": [{"itemIdentifier": 7}]}, "itemIdentifier must be the id of a message, not 7"),
        ({"batchItemFailures": [{"itemIdentifier": "d"}]}, "itemIdentifier 'd' is no message of the batch"),
        ({"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "d"}]}, "'d' is no message of the batch"),
    ],
    ids=repr,
)
def test_any_other_answer_says_that_the_whole_batch_failed(answer: Any, words: str) -> None:
    """Lambda developer guide, "Failure conditions"."""
    verdict = read_answer(answer, IDS)

    assert verdict.failed == set(IDS)
    assert words in (verdict.wrong or "")
