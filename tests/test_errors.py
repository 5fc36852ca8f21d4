"""Errors: one tree, a sentence for people, numbers for programs, and they survive pickle."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from decouple import errors
from decouple.errors import (
    AccessDenied,
    BacklogFull,
    BlockingCall,
    BodyMissing,
    BodyNotDecoded,
    BrokenOff,
    BulkheadFull,
    CallRefused,
    CircuitOpen,
    ClockBehind,
    ClockStuck,
    Deadlock,
    DecoupleError,
    DeliveryFailed,
    DeliveryRefused,
    EndlessWork,
    FunctionError,
    FunctionExists,
    FunctionFailed,
    FunctionNotFound,
    FunctionOutOfMemory,
    FunctionTimedOut,
    InProgress,
    InvalidBatch,
    InvalidDescription,
    InvalidFilter,
    InvalidName,
    InvalidPackage,
    InvalidPolicy,
    InvalidRecording,
    InvalidSchedule,
    LawBroken,
    MessageTooLarge,
    MoveTaskRunning,
    NeedsBroker,
    NotConformant,
    NotDelivered,
    NotDeterministic,
    NotExhausted,
    NotIdempotent,
    NotInFlight,
    NotInstalled,
    NotKept,
    NotRecorded,
    NotRepeatable,
    ProcessDied,
    QueueClosed,
    QueueError,
    QueueExists,
    QueueNotFound,
    RateLimited,
    ReceiptExpired,
    ReceiptInvalid,
    RecursionStopped,
    ResultNotJSON,
    ScheduleExists,
    StorageDamaged,
    StorageError,
    StorageInUse,
    StorageTooNew,
    StoreFailed,
    SubscriptionExists,
    SubscriptionNotFound,
    Throttled,
    TooManyInFlight,
    TopicClosed,
    TopicError,
    TopicExists,
    TopicNotFound,
    TriggerExists,
    VisibilityTooLong,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
REFUSED = {"orders": QueueClosed("orders")}
WRONG = {0: ValueError("no"), 2: TypeError("nor this"), 5: ValueError("five"), 7: ValueError("seven")}

# an error of each class, its attributes, and what its sentence must hold
EXAMPLES: list[tuple[DecoupleError, dict[str, Any], list[str]]] = [
    (DecoupleError("the broker is closed"), {}, ["the broker is closed"]),
    (QueueError("queue 'q' is odd", queue="q"), {"queue": "q"}, ["queue 'q' is odd"]),
    (QueueNotFound("q", declared=3), {"queue": "q"}, ["'q'", "3", "broker.queue('q')"]),
    (
        QueueExists("q", setting="delay", current=30, asked=40),
        {"queue": "q", "setting": "delay", "current": 30, "asked": 40},
        ["'q'", "delay=30", "40", "configure(delay=...)"],
    ),
    (TriggerExists("q", function="f"), {"queue": "q", "function": "f"}, ["'q'", "'f'", "close()"]),
    (QueueClosed("q"), {"queue": "q"}, ["queue 'q' is closed"]),
    (
        TooManyInFlight("q", in_flight=11, limit=10),
        {"queue": "q", "in_flight": 11, "limit": 10},
        ["'q'", "11 of at most 10", "configure(max_in_flight=...)"],
    ),
    (
        MessageTooLarge("q", size=300, limit=256),
        {"queue": "q", "size": 300, "limit": 256},
        ["'q'", "300 bytes", "256 bytes", "max_message_size"],
    ),
    (
        ReceiptExpired("q", receipts=["r-1", "r-2"]),
        {"queue": "q", "receipts": ("r-1", "r-2")},
        ["2 receipt", "'q'", "r-1"],
    ),
    (NotInFlight("q", id="m-81", why="it is gone"), {"queue": "q", "id": "m-81"}, ["'m-81'", "'q'", "it is gone"]),
    (
        ReceiptInvalid("q", receipt="r.1", why="it is malformed"),
        {"queue": "q", "receipt": "r.1"},
        ["'r.1'", "'q'", "it is malformed"],
    ),
    (
        VisibilityTooLong("q", total=43_210.0, limit=43_200.0),
        {"queue": "q", "total": 43_210.0, "limit": 43_200.0},
        ["'q'", "43210 s", "43200 s", "10 s less"],
    ),
    (
        MoveTaskRunning("dead", task="<MoveTask of 'dead'>", moved=3, remaining=17),
        {"queue": "dead", "task": "<MoveTask of 'dead'>", "moved": 3, "remaining": 17},
        ["'dead' is being redriven already", "<MoveTask of 'dead'>", "wait()", "cancel()"],
    ),
    (
        InvalidBatch("q", errors=WRONG, entries=9),
        {"queue": "q", "errors": WRONG},
        ["4 of 9", "'q'", "[0] no; [2] nor this; [5] five; and 1 more"],
    ),
    (
        BodyNotDecoded("q", text="five!", wanted="Order", why="no JSON"),
        {"queue": "q", "text": "five!", "wanted": "Order"},
        ["'q'", "Order", "no JSON", "5 characters"],
    ),
    (
        BodyMissing("q", key="k0", size=300),
        {"queue": "q", "key": "k0", "size": 300},
        ["'q'", "'k0'", "300 bytes", "reject()"],
    ),
    (TopicError("topic 't' is odd", topic="t"), {"topic": "t"}, ["topic 't' is odd"]),
    (TopicNotFound("t", declared=3), {"topic": "t"}, ["'t'", "3", "broker.topic('t')"]),
    (
        TopicExists("t", setting="fifo", current=True, asked=False),
        {"topic": "t", "setting": "fifo", "current": True, "asked": False},
        ["'t'", "fifo=True", "False"],
    ),
    (
        BacklogFull("t", subscription="handler f", limit=10),
        {"topic": "t", "subscription": "handler f", "limit": 10},
        ["'t'", "10", "handler f", "on_full"],
    ),
    (TopicClosed("t"), {"topic": "t"}, ["topic 't' is closed"]),
    (
        NotDelivered("t", published="p", failures=REFUSED),
        {"topic": "t", "published": "p", "failures": REFUSED},
        ["'t'", "1 queue(s)", "orders", "is closed", "dead_letter"],
    ),
    (
        SubscriptionExists("t", endpoint="queue 'q'", setting="envelope", current=True, asked=False),
        {"topic": "t", "endpoint": "queue 'q'", "setting": "envelope", "current": True, "asked": False},
        ["'t'", "queue 'q'", "envelope=True", "cancel()"],
    ),
    (SubscriptionNotFound("t", wanted="k"), {"topic": "t", "wanted": "k"}, ["'t'", "'k'", "two days"]),
    (FunctionError("function 'f' is odd", function="f"), {"function": "f"}, ["function 'f' is odd"]),
    (FunctionNotFound("f", declared=3), {"function": "f"}, ["'f'", "3", "broker.function("]),
    (
        FunctionExists("f", setting="timeout", current=3, asked=4),
        {"function": "f", "setting": "timeout", "current": 3, "asked": 4},
        ["'f'", "timeout=3", "4", "name="],
    ),
    (
        FunctionTimedOut("f", seconds=3.0, request_id="r"),
        {"function": "f", "seconds": 3.0, "request_id": "r"},
        ["'f' timed out after 3.00 seconds", "request r", "timeout="],
    ),
    (
        FunctionFailed("f", error_type="SystemExit", text="3", stack=["line 1"]),
        {"function": "f", "error_type": "SystemExit", "text": "3", "stack": ("line 1",)},
        ["function 'f' failed: SystemExit: 3"],
    ),
    (
        FunctionOutOfMemory("f", memory=128, request_id="r"),
        {"function": "f", "memory": 128, "request_id": "r"},
        ["'f'", "memory of 128 MB", "request r", "memory="],
    ),
    (
        ProcessDied("f", status=-9, request_id="r"),
        {"function": "f", "status": -9, "request_id": "r"},
        ["process of function 'f' was killed by signal 9", "request r"],
    ),
    (
        ProcessDied("f", status=3, request_id="r"),
        {"function": "f", "status": 3, "request_id": "r"},
        ["ended with exit status 3"],
    ),
    (
        ResultNotJSON("f", why="a set is none"),
        {"function": "f", "why": "a set is none"},
        ["function 'f' must return what JSON holds: a set is none"],
    ),
    (RecursionStopped("f", turns=16), {"function": "f", "turns": 16}, ["'f'", "16 runs", "loop"]),
    (BrokenOff("f"), {"function": "f"}, ["closed before function 'f' was begun"]),
    (
        Throttled("f", running=2, limit=2),
        {"function": "f", "running": 2, "limit": 2},
        ["'f' runs 2 of at most 2", "concurrency="],
    ),
    (
        ScheduleExists("s", setting="window", current=0.0, asked=60.0),
        {"schedule": "s", "setting": "window", "current": 0.0, "asked": 60.0},
        ["'s'", "window=0.0", "60.0", "close()"],
    ),
    (
        DeliveryFailed("https://a.test/", why="it answered 503", status=503),
        {"endpoint": "https://a.test/", "status": 503, "code": None},
        ["https://a.test/", "503"],
    ),
    (
        DeliveryRefused("https://a.test/", why="no", code="NO_RESOURCE"),
        {"endpoint": "https://a.test/", "status": None, "code": "NO_RESOURCE"},
        ["no"],
    ),
    (NeedsBroker("a handler"), {"what": "a handler"}, ["a handler", "Broker().topic"]),
    (
        NotConformant({"a_name": "2 instead of 1"}, of=9, sentences={"a_name": "It is one."}, report="all"),
        {"failures": {"a_name": "2 instead of 1"}, "report": "all"},
        ["1 of 9 behaviours", "a_name", "It is one.", "2 instead of 1"],
    ),
    (InvalidName("a b", kind="queue", rule="letters only"), {"name": "a b"}, ["'a b'", "queue", "letters only"]),
    (
        InvalidPolicy("arn:q", statement="statement 2", why="Effect is missing"),
        {"resource": "arn:q", "statement": "statement 2"},
        ["arn:q", "statement 2: Effect is missing", "nothing was changed"],
    ),
    (
        InvalidSchedule("cron(71 * * * ? *)", field="minutes", reason="71 is not from 0 to 59"),
        {"expression": "cron(71 * * * ? *)", "field": "minutes", "reason": "71 is not from 0 to 59"},
        ["invalid schedule expression 'cron(71 * * * ? *)': minutes: 71 is not from 0 to 59"],
    ),
    (
        InvalidFilter("price[0].numeric", reason="Bottom must be less than top"),
        {"path": "price[0].numeric", "reason": "Bottom must be less than top"},
        ["wrong at price[0].numeric: Bottom must be less than top", "nothing was changed"],
    ),
    (
        AccessDenied(principal="arn:p", action="sqs:SendMessage", resource="arn:q", why="no statement allows it"),
        {"principal": "arn:p", "action": "sqs:SendMessage", "resource": "arn:q"},
        ["arn:p may not sqs:SendMessage on arn:q: no statement allows it"],
    ),
    (
        InvalidDescription("queues.q.delay", why="delay must be from 0 to 900 seconds, not -1"),
        {"path": "queues.q.delay"},
        ["wrong at queues.q.delay: delay must be from 0 to 900 seconds, not -1"],
    ),
    (
        InvalidPackage("empty", why="there is no file in it"),
        {"fault": "empty"},
        ["the package of code is empty: there is no file in it"],
    ),
    (
        NotInstalled("graphviz", purpose="a diagram as .svg", install="pip install 'decouple-messaging[diagram]'"),
        {"wanted": "graphviz"},
        ["a diagram as .svg needs graphviz", "not installed: pip install 'decouple-messaging[diagram]'"],
    ),
    (CallRefused("guard 'g' is shut", name="g"), {"name": "g"}, ["guard 'g' is shut"]),
    (
        CircuitOpen("pay", seconds=12.5, retry_at=NOON),
        {"name": "pay", "seconds": 12.5, "retry_at": NOON},
        ["circuit breaker 'pay' is open", "12.5 s more", "12:00:00 UTC", "fallback="],
    ),
    (
        CircuitOpen("pay", seconds=0, retry_at=None),
        {"name": "pay", "seconds": 0, "retry_at": None},
        ["'pay' is half-open", "reset()"],
    ),
    (
        BulkheadFull("pay", limit=4, waited=0.5),
        {"name": "pay", "limit": 4, "waited": 0.5},
        ["bulkhead 'pay'", "4 of 4", "in 0.5 s", "limit="],
    ),
    (
        RateLimited("pay", retry_after=0.25),
        {"name": "pay", "retry_after": 0.25},
        ["rate limiter 'pay'", "0.25 s", "rate="],
    ),
    (
        StoreFailed("MemoryStore", operation="begin"),
        {"store": "MemoryStore", "operation": "begin"},
        ["MemoryStore failed to begin", "a fault", "the plan"],
    ),
    (
        InProgress("shop.charge#7", seconds=12.5),
        {"key": "shop.charge#7", "seconds": 12.5},
        ["'shop.charge#7'", "12.5 s more", "lower lease="],
    ),
    (
        LawBroken("queue 'q' is out of balance", numbers={"accepted": 2, "deleted": 1}),
        {"numbers": {"accepted": 2, "deleted": 1}, "id": None, "story": None, "seed": None},
        ["queue 'q' is out of balance", "accepted 2, deleted 1"],
    ),
    (
        NotIdempotent(
            events={2: "{'id': 8}"},
            steps=["event 2", "event 2 again"],
            expected=[8],
            found=[8, 8],
            differences=["effects[1]: 8 is too much"],
            cases=5,
            seed=3,
        ),
        {
            "events": {2: "{'id': 8}"},
            "steps": ("event 2", "event 2 again"),
            "differences": ("effects[1]: 8 is too much",),
            "expected": [8],
            "found": [8, 8],
            "cases": 5,
            "seed": 3,
        },
        ["case 5", "seed 3", "event 2: {'id': 8}", "2. event 2 again", "effects[1]: 8 is too much", "once:  [8]"],
    ),
    (
        NotDeterministic(["effects['at']: 1 expected, 2 found"]),
        {"differences": ("effects['at']: 1 expected, 2 found",)},
        ["1 expected, 2 found", "ignore=", "reset="],
    ),
    (
        NotExhausted(1_000, 2_500, opaque=["io.TextIOWrapper"]),
        {"runs": 1_000, "states": 2_500, "opaque": ("io.TextIOWrapper",)},
        ["1,000 runs", "2,500 states", "io.TextIOWrapper", "most=", "errors='collect'"],
    ),
    (
        NotRepeatable(3, expected=2, found=1),
        {"choice": 3, "expected": 2, "found": 1},
        ["1 ways to go on at choice 3 and not 2", "make()"],
    ),
    (
        NotRecorded("m-81", kept=100, dropped=20, most=100),
        {"id": "m-81", "kept": 100, "dropped": 20, "most": 100},
        ["'m-81'", "newest 100 changes", "20 older ones", "Broker(record=1_000)"],
    ),
    (
        InvalidRecording("run.jsonl", line=3, why="it is no JSON"),
        {"path": "run.jsonl", "line": 3, "why": "it is no JSON"},
        ["run.jsonl", "line 3", "it is no JSON"],
    ),
    (
        EndlessWork("a push of 'news'", links=1_000),
        {"what": "a push of 'news'", "links": 1_000},
        ["a push of 'news'", "1,000 jobs", "a later instant"],
    ),
    (StorageError("jobs", "no"), {"path": "jobs"}, ["no"]),
    (
        NotKept("jobs", why="the disk is full"),
        {"path": "jobs", "why": "the disk is full"},
        ["'jobs'", "the disk is full"],
    ),
    (StorageInUse("jobs", pid=7), {"path": "jobs", "pid": 7}, ["'jobs'", "process 7", "sqlite:///jobs.db"]),
    (
        StorageDamaged(
            "jobs", why="a record's checksum is wrong", offset=12, mend="run `decouple journal salvage jobs`"
        ),
        {"path": "jobs", "why": "a record's checksum is wrong", "offset": 12},
        ["'jobs'", "byte 12", "checksum", "salvage"],
    ),
    (
        StorageTooNew("jobs", version=3, known=2),
        {"path": "jobs", "version": 3, "known": 2},
        ["format 3", "knows 2", "pip"],
    ),
    (
        ClockBehind("jobs", seconds=61.5),
        {"path": "jobs", "seconds": 61.5},
        ["61.5 s", "'jobs'", "set the machine's clock"],
    ),
    (
        ClockStuck("a receive waits", seconds=2.5),
        {"waiting": "a receive waits", "seconds": 2.5},
        ["a receive waits", "2.5 real seconds", "clock.advance(...)"],
    ),
    (
        Deadlock(["task 'a' waits for a message in queue 'q'"], since=NOON),
        {"waiting": ("task 'a' waits for a message in queue 'q'",), "since": NOON},
        ["nothing will ever happen again", "12:00:00", "\n  task 'a' waits for a message in queue 'q'"],
    ),
    (
        BlockingCall("time.sleep()", "await asyncio.sleep(seconds)"),
        {"call": "time.sleep()", "advice": "await asyncio.sleep(seconds)"},
        ["time.sleep() would block this simulation", "await asyncio.sleep(seconds)"],
    ),
]
EACH = pytest.mark.parametrize(
    ("error", "attributes", "words"), EXAMPLES, ids=[type(error).__name__ for error, *_ in EXAMPLES]
)


def tree(kind: type[DecoupleError], depth: int = 0) -> Iterator[tuple[int, str]]:
    yield depth, kind.__name__
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child, depth + 1)


def test_the_tree_in_the_docstring_is_the_tree_of_classes_and_all_are_exported() -> None:
    drawn = re.findall(r"^    ([ |`-]*)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE)

    assert sorted((len(branch) // 4, name) for branch, name in drawn) == sorted(tree(DecoupleError))
    assert sorted(name for _, name in drawn) == errors.__all__


def test_there_is_an_example_of_every_error() -> None:
    assert sorted({type(error).__name__ for error, *_ in EXAMPLES}) == errors.__all__


@EACH
def test_an_error_has_its_numbers_as_attributes_and_in_its_sentence(
    error: DecoupleError, attributes: dict[str, Any], words: list[str]
) -> None:
    assert vars(error) == attributes
    assert [word for word in words if word not in str(error)] == []
    assert error.args == (str(error),)


@EACH
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_survives_pickle(
    error: DecoupleError, attributes: dict[str, Any], words: list[str], protocol: int
) -> None:
    again = pickle.loads(pickle.dumps(error, protocol))

    assert type(again) is type(error)
    assert again.args == error.args
    assert {name: repr(value) for name, value in vars(again).items()} == {
        name: repr(value) for name, value in attributes.items()
    }


def test_a_copied_error_keeps_its_notes() -> None:
    error = NotInFlight("q", id="m-81", why="it is gone")
    error.add_note("while settling")

    again = copy.copy(error)

    assert (again.id, again.__notes__) == ("m-81", ["while settling"])


@pytest.mark.parametrize(
    "kind",
    [
        ReceiptInvalid,
        VisibilityTooLong,
        InvalidBatch,
        InvalidName,
        InvalidPolicy,
        InvalidFilter,
        InvalidSchedule,
        InvalidDescription,
        InvalidPackage,
    ],
)
def test_an_error_about_an_argument_is_a_value_error_too(kind: type[DecoupleError]) -> None:
    assert issubclass(kind, ValueError)
