"""decouple: Amazon-style queues inside a Python process.

    from decouple import Broker

    with Broker() as broker:
        dead = broker.queue("orders-dead")
        orders = broker.queue("orders", visibility_timeout=30, dead_letter=dead, max_receives=3)
        orders.send({"id": 7})
        for message in orders.receive(wait=20):
            with message:                       # ack at the end; an exception gives it back
                print(message.json()["id"])

A queue works alone (`Queue`) or in a Broker, for threads and asyncio tasks at once (`queue.aio`), on real time or on
time that you move (`clock=VirtualClock()`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from decouple.attributes import Attribute
from decouple.broker import Broker
from decouple.capabilities import Capabilities
from decouple.clock import Clock, SystemClock, VirtualClock
from decouple.core.changes import Change
from decouple.core.records import Failure
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
from decouple.findings import Finding
from decouple.idempotent import MemoryStore, idempotent
from decouple.large_bodies import LargeBodies
from decouple.message import Entry, Message, Sent
from decouple.movetask import MoveTask
from decouple.queue import Queue
from decouple.sharing import SharedQueue
from decouple.stats import GroupStats, QueueStats

if TYPE_CHECKING:
    from decouple.autoscale import Autoscaler
    from decouple.consumer import Consumer, ConsumerStats
    from decouple.context import Context
    from decouple.core.backoff import exponential, until
    from decouple.function import Function, FunctionStats
    from decouple.http_target import HTTP
    from decouple.notification import Notification
    from decouple.outbox import Outgoing
    from decouple.publishing import Publish
    from decouple.schedules import Schedule
    from decouple.senders import SMS, Email, Push
    from decouple.smtp import SMTP
    from decouple.stories.recorder import Recorder
    from decouple.stories.recording import Recording
    from decouple.stories.story import Story
    from decouple.subscription import Subscription, SubscriptionStats
    from decouple.topic import Topic, TopicStats
    from decouple.trigger import Trigger
    from decouple.trigger_settings import TriggerStats
    from decouple.verdicts import Reject, Retry

# What programs with queues alone need not load, and where it is.
LATER = {
    "Function": "function",
    "FunctionStats": "function",
    "Context": "context",
    "Trigger": "trigger",
    "TriggerStats": "trigger_settings",
    "Consumer": "consumer",
    "ConsumerStats": "consumer",
    "Autoscaler": "autoscale",
    "Schedule": "schedules",
    "Recorder": "stories.recorder",
    "Recording": "stories.recording",
    "Story": "stories.story",
    "Topic": "topic",
    "TopicStats": "topic",
    "Subscription": "subscription",
    "SubscriptionStats": "subscription",
    "Notification": "notification",
    "Publish": "publishing",
    "HTTP": "http_target",
    "Email": "senders",
    "SMS": "senders",
    "Push": "senders",
    "SMTP": "smtp",
    "Outgoing": "outbox",
    "Retry": "verdicts",
    "Reject": "verdicts",
    "exponential": "core.backoff",
    "until": "core.backoff",
}

# In reading order: what you make, what you hold, time, what happened, what can go wrong.
__all__ = [  # noqa: RUF022
    "Broker",
    "Queue",
    "Topic",
    "Function",
    "Trigger",
    "Consumer",
    "Schedule",
    "Autoscaler",
    "Subscription",
    "SharedQueue",
    "Message",
    "Notification",
    "Context",
    "Publish",
    "HTTP",
    "Email",
    "SMS",
    "Push",
    "SMTP",
    "Outgoing",
    "Entry",
    "Sent",
    "Attribute",
    "QueueStats",
    "TopicStats",
    "SubscriptionStats",
    "FunctionStats",
    "TriggerStats",
    "ConsumerStats",
    "GroupStats",
    "MoveTask",
    "Capabilities",
    "Finding",
    "Failure",
    "exponential",
    "until",
    "idempotent",
    "MemoryStore",
    "LargeBodies",
    "Retry",
    "Reject",
    "Clock",
    "SystemClock",
    "VirtualClock",
    "Change",
    "Story",
    "Recording",
    "Recorder",
    "DecoupleError",
    "QueueError",
    "QueueNotFound",
    "QueueExists",
    "QueueClosed",
    "TooManyInFlight",
    "MessageTooLarge",
    "NotInFlight",
    "MoveTaskRunning",
    "ReceiptInvalid",
    "ReceiptExpired",
    "VisibilityTooLong",
    "TriggerExists",
    "InvalidBatch",
    "BodyNotDecoded",
    "BodyMissing",
    "TopicError",
    "TopicNotFound",
    "TopicExists",
    "TopicClosed",
    "NotDelivered",
    "BacklogFull",
    "SubscriptionExists",
    "SubscriptionNotFound",
    "DeliveryFailed",
    "DeliveryRefused",
    "NeedsBroker",
    "BrokenOff",
    "FunctionError",
    "FunctionExists",
    "FunctionFailed",
    "FunctionNotFound",
    "FunctionOutOfMemory",
    "FunctionTimedOut",
    "InvalidSchedule",
    "ProcessDied",
    "RecursionStopped",
    "ResultNotJSON",
    "ScheduleExists",
    "Throttled",
    "InvalidName",
    "InvalidPolicy",
    "InvalidFilter",
    "AccessDenied",
    "InvalidDescription",
    "InvalidPackage",
    "NotInstalled",
    "CallRefused",
    "CircuitOpen",
    "BulkheadFull",
    "RateLimited",
    "StoreFailed",
    "InProgress",
    "EndlessWork",
    "LawBroken",
    "NotConformant",
    "NotIdempotent",
    "NotDeterministic",
    "NotExhausted",
    "NotRecorded",
    "NotRepeatable",
    "InvalidRecording",
    "ClockStuck",
    "ClockBehind",
    "NotKept",
    "StorageDamaged",
    "StorageError",
    "StorageInUse",
    "StorageTooNew",
    "Deadlock",
    "BlockingCall",
]

if not TYPE_CHECKING:  # a __getattr__ that type checkers see would make every misspelt name an Any

    def __getattr__(name):
        if name in LATER:
            from importlib import import_module

            globals()[name] = found = getattr(import_module(f"decouple.{LATER[name]}"), name)
            return found
        from decouple.neighbour import handed_on

        return handed_on(name)

    def __dir__():
        return [*globals(), *LATER]
