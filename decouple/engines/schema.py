"""The tables of a database of queues, and how older ones become like it.

A message's `id` is its queue's number and its own within the queue, so a queue's messages lie side by side in the order of
sending, and no number is ever given out twice, whatever is deleted. Messages that kept the time of their sending when they
were moved here have numbers of their own range (`MOVED`), so the others are in the order of time, too.

    state 0  in flight until `visible_at`, and after it visible again, noticed or not
    state 1  visible again since `visible_at`
    state 2  delayed until `visible_at`, and after it visible
    state 3  visible since it was sent, never received

Instants are nanoseconds since 1970. A group of a FIFO queue is a row of `groups` while it has messages: `head` is the
first of them, `since` when that is visible, `turn` its place among those of one instant.

The books of a queue are in its row, but for what follows from its messages: how many are where, and how often they were
received since they came (`received` has the receives of those that are gone). So a receive changes messages alone.
"""

from __future__ import annotations

import sqlite3

from decouple.errors import StorageTooNew

__all__ = ["AGAIN", "DELAYED", "FLYING", "FRESH", "LINE", "MASK", "MOVED", "VERSION", "WIDTH", "migrate"]

FLYING, AGAIN, DELAYED, FRESH = 0, 1, 2, 3
LINE = "visible_at, state, count, brought, id"
"""The order in which visible messages stand in line, as the index has it."""
WIDTH = 42
"""Bits of a message's number within its queue."""
MASK = (1 << WIDTH) - 1
MOVED = 1 << (WIDTH - 1)

FIRST = """
CREATE TABLE queues(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    stem TEXT NOT NULL,
    fifo INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    last INTEGER NOT NULL DEFAULT 0,
    turns INTEGER NOT NULL DEFAULT 0,
    former_scope_until INTEGER NOT NULL DEFAULT 0,
    received INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER NOT NULL DEFAULT 0,
    expired INTEGER NOT NULL DEFAULT 0,
    nacked INTEGER NOT NULL DEFAULT 0,
    given_back INTEGER NOT NULL DEFAULT 0,
    retained_out INTEGER NOT NULL DEFAULT 0,
    purged INTEGER NOT NULL DEFAULT 0,
    rejected INTEGER NOT NULL DEFAULT 0,
    moved_in INTEGER NOT NULL DEFAULT 0,
    moved_out INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE messages(
    id INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    visible_at INTEGER NOT NULL,
    state INTEGER NOT NULL,
    sent_at INTEGER NOT NULL,
    count INTEGER NOT NULL DEFAULT 0,
    received_at INTEGER,
    first_at INTEGER,
    brought INTEGER NOT NULL DEFAULT 0,
    line INTEGER,
    grp TEXT,
    dedup TEXT,
    more TEXT,
    body TEXT NOT NULL
);
CREATE INDEX ready ON messages(queue, visible_at, state, count, brought);
CREATE INDEX lines ON messages(line) WHERE line IS NOT NULL;
CREATE INDEX moved ON messages(queue, sent_at) WHERE brought > 0;
CREATE TABLE groups(
    line INTEGER PRIMARY KEY AUTOINCREMENT,
    queue INTEGER NOT NULL,
    name TEXT NOT NULL,
    head INTEGER NOT NULL,
    since INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    parked INTEGER NOT NULL DEFAULT 0,
    UNIQUE(queue, name)
);
CREATE INDEX turns ON groups(queue, parked, since, turn);
CREATE TABLE seen(
    number INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    UNIQUE(queue, key)
);
CREATE INDEX window ON seen(queue, at);
CREATE TABLE attempts(
    queue INTEGER NOT NULL,
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    given TEXT NOT NULL,
    PRIMARY KEY(queue, name)
) WITHOUT ROWID;
CREATE TABLE shelf(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    owner TEXT NOT NULL,
    UNIQUE(kind, key)
);
CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT INTO meta VALUES('revision', 0);
"""

STEPS: tuple[str, ...] = (FIRST,)
"""Each makes the next version of the one before."""
VERSION = len(STEPS)


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring a database to the present version, each step in a transaction. Raises StorageTooNew."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise StorageTooNew(path, version=version, known=VERSION)
    while version < VERSION:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])  # another process may have done it
            if version < VERSION:
                for statement in STEPS[version].split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version + 1}")
                version += 1
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
