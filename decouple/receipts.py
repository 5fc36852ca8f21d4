"""Ids and receipts: made from a message's number when asked for, read back when one is handed in.

An id has a UUID's shape: a random stem of the queue, then the message's number. A receipt is that and the receive it came
from, so it differs at every receive, costs nothing until it is asked for, and says where it belongs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from decouple.clock import random_bytes
from decouple.core.records import Delivery
from decouple.errors import NotInFlight, ReceiptInvalid

if TYPE_CHECKING:
    from decouple.desk import Desk

__all__ = ["GONE", "count_of", "id_of", "new_stem", "receipt_of", "seq_of", "text_of_receipt"]

NUMBER = re.compile("[0-9a-f]{12}")
GONE = "it was deleted or moved, or outlived the queue's retention"
LOOKED_AT = "it was only looked at (peek), not received"
COUNT = re.compile("[1-9][0-9]{0,18}")


def new_stem() -> str:
    """What the ids of a new queue start with: a UUID's shape, its last twelve digits left to the message."""
    digits = random_bytes(8).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-8{digits[13:16]}-"


def receipt_of(queue: Desk[Any], delivery: Delivery) -> str:
    """The handle of one delivery as text. Raises NotInFlight for a message that was only looked at."""
    if delivery.received_at < 0:
        raise NotInFlight(queue.name, id=id_of(queue, delivery, 0), why=LOOKED_AT)
    return f"{queue._core.stem}{delivery.record[2]:012x}.{delivery.times_received}"


def id_of(queue: Desk[Any], handle: Any, seq: int) -> str:
    """The id of the message that a handle or receipt stands for."""
    return queue._core.id_of(handle.record) if isinstance(handle, Delivery) else f"{queue._core.stem}{seq:012x}"


def count_of(handle: Any) -> int:
    """Of which receive of the message a handle or checked receipt is."""
    return handle.times_received if isinstance(handle, Delivery) else int(handle.rpartition(".")[2])


def text_of_receipt(handle: Any) -> str:
    """A handle or receipt as its receipt."""
    return receipt_of(handle.owner, handle) if isinstance(handle, Delivery) else handle


def seq_of(queue: Desk[Any], handle: Any) -> int:
    """The number of the message a handle or receipt of this queue stands for. Raises ReceiptInvalid, NotInFlight, TypeError."""
    if isinstance(handle, Delivery):
        if handle.owner is not queue:
            receipt = handle if handle.received_at < 0 else receipt_of(handle.owner, handle)
            raise ReceiptInvalid(queue.name, receipt=receipt, why=f"it is of queue {handle.owner.name!r}")
        if handle.received_at < 0:
            raise NotInFlight(queue.name, id=id_of(queue, handle, 0), why=LOOKED_AT)
        return handle.record[2]
    if not isinstance(handle, str):
        raise TypeError(f"expected a Message or its receipt, not {handle!r:.80}")
    head, _, count = handle.rpartition(".")
    stem, number = head[:-12], head[-12:]
    if stem != queue._core.stem or not (COUNT.fullmatch(count) and NUMBER.fullmatch(number)):
        raise ReceiptInvalid(queue.name, receipt=handle, why="it is malformed or another queue's")
    seq = int(number, 16)
    latest = queue._core.find(seq)
    if not queue._core.issued(seq) or (latest is not None and int(count) > latest.times_received):
        raise ReceiptInvalid(queue.name, receipt=handle, why="no message has had it")
    return seq
