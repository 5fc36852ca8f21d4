"""Events of DynamoDB streams, from plain Python items.

Values become DynamoDB's as boto3's serializer has them: text is S, a number N, bytes B (base64 in an event), True and False
BOOL, None NULL, a list or tuple L, a dict M, a set SS, NS or BS.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# What an item holds is known when it is looked at, not before.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AnySet
from datetime import datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, Literal, NamedTuple, NotRequired, TypeAlias, TypedDict, cast

from decouple.arns import arn_of
from decouple.testing.events.defaults import (
    ACCOUNT,
    NEW_YEAR,
    REGION,
    encoded,
    hex_of,
    iso,
    member,
    milliseconds,
    sequence,
)

__all__ = ["DynamoDbStreamEvent", "ItemChange", "View", "dynamodb_stream"]

View: TypeAlias = Literal["NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY"]
Typed: TypeAlias = dict[str, Any]
VIEWS = ("NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY")
NUMBERS = Context(prec=38, Emax=125, Emin=-130, traps=[Inexact, InvalidOperation])
FIRST_SEQUENCE = 111_100_000_000_000_000_000_000
BY_SERVICE = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


class DynamoDbChange(TypedDict):
    """What the stream holds: images by its view type, values as {"N": "7"}; the time is seconds since 1970."""

    ApproximateCreationDateTime: int
    Keys: dict[str, Typed]
    NewImage: NotRequired[dict[str, Typed]]
    OldImage: NotRequired[dict[str, Typed]]
    SequenceNumber: str
    SizeBytes: int
    StreamViewType: View


class DynamoDbRecord(TypedDict):
    """One change of an item in a function's event. userIdentity: when its time to live was over."""

    eventID: str
    eventName: Literal["INSERT", "MODIFY", "REMOVE"]
    eventVersion: str
    eventSource: Literal["aws:dynamodb"]
    awsRegion: str
    dynamodb: DynamoDbChange
    userIdentity: NotRequired[dict[str, str]]
    eventSourceARN: str


class DynamoDbStreamEvent(TypedDict):
    """A batch of changes, as a function gets it."""

    Records: list[DynamoDbRecord]


class ItemChange(NamedTuple):
    """One change: `new` alone is an INSERT, `old` alone a REMOVE, both a MODIFY. expired: removed by its time to live."""

    new: Mapping[str, Any] | None = None
    old: Mapping[str, Any] | None = None
    expired: bool = False
    at: datetime | None = None


def dynamodb_stream(
    changes: Sequence[ItemChange | Mapping[str, Any]],
    *,
    table: str = "table",
    keys: Sequence[str] = ("id",),
    view: View = "NEW_AND_OLD_IMAGES",
    at: datetime = NEW_YEAR,
    account: str = ACCOUNT,
    region: str = REGION,
) -> DynamoDbStreamEvent:
    """The event for a batch of changes: `dynamodb_stream([{"id": 7}, ItemChange(old={"id": 8}, expired=True)])`.

    An item by itself is an INSERT. keys: the names of the table's key. Raises TypeError, ValueError for what a table cannot
    hold. Source: Lambda developer guide, "Using AWS Lambda with Amazon DynamoDB".
    """
    member(view, VIEWS, "view")
    names = sequence(keys, "keys")
    arn = arn_of("dynamodb", f"table/{table}/stream/{iso(NEW_YEAR)[:-1]}", account=account, region=region)
    made = [one if isinstance(one, ItemChange) else ItemChange(one) for one in sequence(changes, "changes")]
    return {"Records": [record_of(one, number, names, view, arn, region, at) for number, one in enumerate(made)]}


def record_of(
    change: ItemChange, number: int, keys: Sequence[str], view: View, arn: str, region: str, at: datetime
) -> DynamoDbRecord:
    """One change; `number`: its place in the event."""
    if change.expired and (change.old is None or change.new is not None):
        raise ValueError(
            f"only what is removed can have expired, so give ItemChange(old=...) alone, not {change!r:.80}"
        )
    made = change_of(change, number, keys, view, at)
    record = {
        "eventID": hex_of(arn, made["SequenceNumber"], made["Keys"]),
        "eventName": "INSERT" if change.old is None else "REMOVE" if change.new is None else "MODIFY",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": region,
        "dynamodb": made,
        **({"userIdentity": dict(BY_SERVICE)} if change.expired else {}),
        "eventSourceARN": arn,
    }
    return cast("DynamoDbRecord", record)


def change_of(change: ItemChange, number: int, keys: Sequence[str], view: View, at: datetime) -> DynamoDbChange:
    """What the stream holds: the keys, and the images of its view that there are."""
    new, old = image_of(change.new, keys), image_of(change.old, keys)
    key = {name: dict(value) for name, value in (new or old or {}).items() if name in keys}
    if not key:
        raise ValueError("a change needs the item it is of: give ItemChange(new=...), ItemChange(old=...), or both")
    if new and old and any(new[name] != old[name] for name in keys):
        raise ValueError(f"new and old are different items, for their key {list(keys)!r} differs: give two changes")
    images: dict[str, Any] = {"Keys": key}
    if new and view in ("NEW_IMAGE", "NEW_AND_OLD_IMAGES"):
        images["NewImage"] = new
    if old and view in ("OLD_IMAGE", "NEW_AND_OLD_IMAGES"):
        images["OldImage"] = old
    made = {
        "ApproximateCreationDateTime": milliseconds(change.at or at) // 1_000,
        **images,
        "SequenceNumber": str(FIRST_SEQUENCE + number),
        "SizeBytes": sum(size_of_item(image) for image in images.values()),
        "StreamViewType": view,
    }
    return cast("DynamoDbChange", made)


def image_of(item: Mapping[str, Any] | None, keys: Sequence[str]) -> dict[str, Typed] | None:
    """The item in DynamoDB's types. Raises TypeError, ValueError."""
    if item is None:
        return None
    if not isinstance(item, Mapping):
        raise TypeError(f"an item must be a dict of names to values, not {item!r:.80}")
    missing = [name for name in keys if name not in item]
    if missing:
        raise ValueError(
            f"the item {item!r:.80} lacks the key {missing[0]!r}: add it, or name the table's with keys=[...]"
        )
    return {name: typed(value) for name, value in item.items()}


def typed(value: Any) -> Typed:
    """A plain value as DynamoDB has it: 7 is {"N": "7"}. Raises TypeError, ValueError."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, (int, float, Decimal)):
        return {"N": number_text(value)}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"B": encoded(bytes(value))}
    if isinstance(value, Mapping):
        return {"M": {name_of(name): typed(inner) for name, inner in value.items()}}
    if isinstance(value, (list, tuple)):
        return {"L": [typed(inner) for inner in value]}
    if isinstance(value, AnySet):
        return set_of(value)
    raise TypeError(
        f"DynamoDB has no type for {value!r:.80}: give text, numbers, bytes, bool, None, lists, dicts or sets"
    )


def name_of(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"names in a map must be text, not {name!r}")
    return name


def set_of(values: AnySet[Any]) -> Typed:
    """A set, in order of its texts: of text, of numbers or of bytes."""
    kinds = [next(iter(typed(value).items())) for value in values]
    names = {kind for kind, _ in kinds}
    if len(names) != 1 or not names <= {"S", "N", "B"}:
        raise ValueError(f"a set must hold text, or numbers, or bytes, at least one of them, not {values!r:.80}")
    return {f"{names.pop()}S": sorted(text for _, text in kinds)}


def number_text(value: float | Decimal) -> str:
    """A number as DynamoDB writes it: no exponent, no zeros at the end. Raises ValueError beyond 38 digits."""
    try:
        number = NUMBERS.normalize(Decimal(str(value)))
    except (Inexact, InvalidOperation):
        raise ValueError(f"DynamoDB keeps numbers of up to 38 digits, not {value!r}") from None
    if not number.is_finite():
        raise ValueError(f"DynamoDB keeps finite numbers, not {value!r}")
    return format(number, "f")


def size_of_item(item: Mapping[str, Typed]) -> int:
    """What names and values take, in bytes."""
    return sum(len(name.encode()) + size_of(value) for name, value in item.items())


def size_of(value: Typed) -> int:
    """Source: DynamoDB developer guide, "DynamoDB item sizes and formats"."""
    [(kind, held)] = value.items()
    text = str(held)
    if kind == "S":
        return len(text.encode())
    if kind == "N":
        return (len(text.lstrip("-").replace(".", "").strip("0")) + 1) // 2 + 1 + text.startswith("-")
    if kind == "B":
        return len(text) // 4 * 3 - text.count("=")
    if kind == "M":
        return 3 + size_of_item(held) + len(held)
    if kind == "L":
        return 3 + sum(size_of(inner) + 1 for inner in held)
    if kind in ("SS", "NS", "BS"):
        return sum(size_of({kind[0]: inner}) for inner in held)
    return 1
