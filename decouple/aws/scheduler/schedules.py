"""Schedules: making, changing, ending, describing and listing them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decouple.aws.paging import page_by_name
from decouple.aws.scheduler import SCHEDULER
from decouple.aws.scheduler.book import DEFAULT, book_of
from decouple.aws.scheduler.reading import declare, read

if TYPE_CHECKING:
    from decouple.aws.scheduler.book import Book, Entry
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call

__all__: list[str] = []  # the table of operations has them

NEWEST = 10**12
KEYS = "KmsKeyArn and RoleArn are kept; queues, topics and functions as targets"


@SCHEDULER.operation("CreateSchedule", note=KEYS)
def create_schedule(call: Call, given: Given) -> Answer:
    book, (group, name) = book_of(call.place), key_of(given)
    with book.lock:
        book.look_at(group, name)
        book.group(group)
        kept, token = read(book, given), given.get("ClientToken")
        known = book.entries.get((group, name))
        if known is not None:
            if token is None or known.token != token:
                raise SCHEDULER.error("ConflictException", f"Schedule {name} already exists.")
            return answer(book, known)
        entry = book.enter(group, name, kept)
        entry.token = token
        try:
            entry.schedule = declare(book, entry)
        except BaseException:
            book.strike_out(entry)
            raise
        return answer(book, entry)


def key_of(given: Given) -> tuple[str, str]:
    return given.get("GroupName") or DEFAULT, given["Name"]


def answer(book: Book, entry: Entry) -> Answer:
    return {"ScheduleArn": arn_of(book, entry)}


def arn_of(book: Book, entry: Entry) -> str:
    return book.arn("schedule", f"{entry.group}/{entry.name}")


@SCHEDULER.operation("UpdateSchedule", note=KEYS)
def update_schedule(call: Call, given: Given) -> Answer:
    """What is not given again has its default. What was due and waits for its place in a flexible window is given up."""
    book, (group, name) = book_of(call.place), key_of(given)
    with book.lock:
        entry = book.entry(group, name)
        kept = read(book, given)
        before, entry.given, entry.native = (entry.given, entry.native), kept, False
        if entry.schedule is not None:
            entry.schedule.close()
            entry.schedule = None
        try:
            entry.schedule = declare(book, entry)
        except BaseException:
            entry.given, entry.native = before
            raise
        entry.changed = book.now()
        return answer(book, entry)


@SCHEDULER.operation("DeleteSchedule")
def delete_schedule(call: Call, given: Given) -> Answer:
    book = book_of(call.place)
    with book.lock:
        book.strike_out(book.entry(*key_of(given)))
    return {}


@SCHEDULER.operation("GetSchedule")
def get_schedule(call: Call, given: Given) -> Answer:
    book = book_of(call.place)
    with book.lock:
        entry = book.entry(*key_of(given))
        return {**common(book, entry), **entry.given, "State": entry.state}


def common(book: Book, entry: Entry) -> Answer:
    return {
        "Arn": arn_of(book, entry),
        "Name": entry.name,
        "GroupName": entry.group,
        "State": entry.state,
        "CreationDate": entry.made,
        "LastModificationDate": entry.changed,
    }


@SCHEDULER.operation("ListSchedules")
def list_schedules(call: Call, given: Given) -> Answer:
    """The newest first."""
    group, prefix, state = given.get("GroupName"), given.get("NamePrefix") or "", given.get("State")
    book = book_of(call.place)
    with book.lock:
        book.look()
        if group is not None:
            book.group(group)
        wanted = {
            f"{NEWEST - entry.number:012d}": entry
            for entry in book.entries.values()
            if group in (None, entry.group) and entry.name.startswith(prefix) and state in (None, entry.state)
        }
        some = page_by_name(SCHEDULER, wanted, limit=given.get("MaxResults"), token=given.get("NextToken"))
        return {"Schedules": [summary(book, entry) for entry in some.items], **some.more}


def summary(book: Book, entry: Entry) -> Answer:
    return {**common(book, entry), "Target": {"Arn": entry.given["Target"]["Arn"]}}
