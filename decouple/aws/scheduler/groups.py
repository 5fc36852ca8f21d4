"""Groups of schedules, and their tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decouple.aws.paging import page_by_name
from decouple.aws.scheduler import SCHEDULER
from decouple.aws.scheduler.book import DEFAULT, RESERVED, book_of

if TYPE_CHECKING:
    from decouple.aws.scheduler.book import Book, Group
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call

__all__: list[str] = []  # the table of operations has them


@SCHEDULER.operation("CreateScheduleGroup")
def create_schedule_group(call: Call, given: Given) -> Answer:
    name, token = given["Name"], given.get("ClientToken")
    book = looked_at(call)
    with book.lock:
        if name == RESERVED:
            raise SCHEDULER.error("ValidationException", f"Schedule group {name} is reserved.")
        known = book.groups.get(name)
        if known is not None:
            if token is None or known.token != token:
                raise SCHEDULER.error("ConflictException", f"Schedule group {name} already exists.")
            return {"ScheduleGroupArn": arn_of(book, known)}
        group = book.found(name)
        group.token, group.tags = token, tags_given(given)
        return {"ScheduleGroupArn": arn_of(book, group)}


def looked_at(call: Call) -> Book:
    """The book, up to date as to groups of schedules that were declared on the broker."""
    book = book_of(call.place)
    with book.lock:
        book.look()
    return book


def arn_of(book: Book, group: Group) -> str:
    return book.arn("schedule-group", group.name)


@SCHEDULER.operation("DeleteScheduleGroup", note="at once")
def delete_schedule_group(call: Call, given: Given) -> Answer:
    """With its schedules."""
    name, book = given["Name"], looked_at(call)
    with book.lock:
        if name == DEFAULT:
            raise SCHEDULER.error("ValidationException", "The default schedule group cannot be deleted.")
        book.group(name)
        for entry in [one for one in book.entries.values() if one.group == name]:
            book.strike_out(entry)
        del book.groups[name]
    return {}


@SCHEDULER.operation("GetScheduleGroup")
def get_schedule_group(call: Call, given: Given) -> Answer:
    book = looked_at(call)
    return summary(book, book.group(given["Name"]))


def summary(book: Book, group: Group) -> Answer:
    return {
        "Arn": arn_of(book, group),
        "Name": group.name,
        "State": "ACTIVE",
        "CreationDate": group.made,
        "LastModificationDate": group.changed,
    }


@SCHEDULER.operation("ListScheduleGroups")
def list_schedule_groups(call: Call, given: Given) -> Answer:
    prefix, book = given.get("NamePrefix") or "", looked_at(call)
    groups = {name: group for name, group in list(book.groups.items()) if name.startswith(prefix)}
    some = page_by_name(SCHEDULER, groups, limit=given.get("MaxResults"), token=given.get("NextToken"))
    return {"ScheduleGroups": [summary(book, group) for group in some.items], **some.more}


# -- tags ------------------------------------------------------------------------------------------------------------


def tags_given(given: Given) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in given.get("Tags") or ()}


def tagged(call: Call, arn: str) -> dict[str, str]:
    """The tags of the group with that ARN. Raises ServiceError."""
    book = looked_at(call)
    name = arn.rpartition("/")[2]
    if name not in book.groups or arn_of(book, book.groups[name]) != arn:
        raise SCHEDULER.error("ResourceNotFoundException", f"Schedule group {name} does not exist.")
    return book.groups[name].tags


@SCHEDULER.operation("TagResource")
def tag_resource(call: Call, given: Given) -> Answer:
    tagged(call, given["ResourceArn"]).update(tags_given(given))
    return {}


@SCHEDULER.operation("UntagResource")
def untag_resource(call: Call, given: Given) -> Answer:
    tags = tagged(call, given["ResourceArn"])
    for key in given["TagKeys"]:
        tags.pop(key, None)
    return {}


@SCHEDULER.operation("ListTagsForResource")
def list_tags_for_resource(call: Call, given: Given) -> Answer:
    tags = tagged(call, given["ResourceArn"])
    return {"Tags": [{"Key": key, "Value": value} for key, value in list(tags.items())]}
