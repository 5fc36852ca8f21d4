"""The linter for the architecture: settings that contradict each other, and what the counts say about how it goes.

A rule is a function in RULES that looks at one queue and says in words what is wrong and how to mend it, or None. Its
docstring is the rule and its name what `ignore` takes. Rules use public means and change nothing. What loses messages is
an error, what does so (or handles them twice) in most programs a warning, a habit worth a thought an info.

The rules about queues are here, those about topics and subscriptions in lint_topics.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from decouple.findings import SEVERITIES, Finding, Rules
from decouple.lint_topics import SUBSCRIPTION_RULES, TOPIC_RULES, lint_topics, where
from decouple.queue_at import there

if TYPE_CHECKING:
    from decouple.lint_handlers import Handlers
    from decouple.queue import Queue
    from decouple.stats import QueueStats
    from decouple.topic import Topic

__all__ = ["RULES", "lint"]

ENOUGH_MESSAGES = 10
"""Below this many messages the counts say nothing about a habit."""
LOOKED_AT = 1_000


class View(NamedTuple):
    """A queue as the rules see it, taken once so that they agree. `settings` in seconds; `of`: whose dead letters come here."""

    queue: Queue[Any]
    settings: dict[str, Any]
    stats: QueueStats
    of: list[str]
    declared: bool

    @property
    def dead_letter(self) -> Queue[Any] | None:
        queue: Queue[Any] | None = self.settings["dead_letter"]
        return queue


RULES: Rules[View] = Rules()
rule = RULES.rule


def lint(
    queues: Sequence[Queue[Any]],
    topics: Sequence[Topic] = (),
    *,
    ignore: Iterable[str] = (),
    handlers: Handlers = (),
) -> list[Finding]:
    """The findings about these queues and topics, which are a broker's, and about the source of `handlers`; worst first."""
    from decouple.lint_handlers import APART, lint_handlers  # here, because it parses Python

    ignored = known(ignore, (*RULES, *TOPIC_RULES, *SUBSCRIPTION_RULES, APART))
    if isinstance(handlers, str):
        raise TypeError(f"handlers must be a list of what is to be read, not one of them: handlers=[{handlers!r}]")
    findings = [finding for view in views(queues, topics) for finding in RULES.findings(view.queue.name, view, ignored)]
    findings += lint_topics(queues, topics, ignored)
    if APART not in ignored:
        findings += lint_handlers(*handlers)
    # Stable: within a severity by queue or topic and in the table's order, then by file and line.
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def known(ignore: Iterable[str], rules: Sequence[str]) -> frozenset[str]:
    """The rules to leave out. Raises TypeError, ValueError."""
    if not isinstance(ignore, Iterable) or isinstance(ignore, str):
        raise TypeError(f"ignore must be a list of rules, not one of them: ignore=[{ignore!r}]")
    names = frozenset(ignore)
    for name in names:
        if name not in rules:
            raise ValueError(f"there is no rule {name!r} to ignore; there are {', '.join(rules)}")
    return names


def views(queues: Sequence[Queue[Any]], topics: Sequence[Topic]) -> list[View]:
    """The queues by name, as they are now."""
    looked: list[View] = []
    ends = [(where(one), there(one.dead_letter)) for topic in topics for one in topic.subscriptions]
    ends += [(queue.name, queue.dead_letter) for queue in queues]
    users: dict[Any, list[str]] = {}
    for name, dead in ends:
        users.setdefault(dead, []).append(name)
    own = {None, *queues}
    for queue in sorted(queues, key=lambda queue: queue.name):
        of = sorted(users.get(queue, ()))
        looked.append(View(queue, queue.settings, queue.stats(), of, queue.dead_letter in own))
    return looked


def on_poison(view: View) -> str:
    """What becomes of a message received max_receives times."""
    chosen: str | None = view.settings.get("on_poison")
    return "dead_letter" if chosen is None else chosen


# -- what the settings say -----------------------------------------------------------------------------------------

DEAD_LETTERS = "SQS developer guide, Using dead-letter queues"
RETENTION = "SQS developer guide, Setting-up dead-letter queue retention"
VISIBILITY = "SQS developer guide, Amazon SQS visibility timeout"
DELAY = "SQS developer guide, Amazon SQS delay queues"
QUOTAS = "SQS API, SetQueueAttributes: MessageRetentionPeriod"


@rule("error", RETENTION)
def dead_letters_die_early(view: View) -> str | None:
    """The dead-letter queue of a standard queue keeps messages at least as long as the queue: it counts from the send."""
    dead = view.dead_letter
    if dead is None or view.queue.fifo:  # a FIFO queue's dead letters start anew
        return None
    here, there = view.settings["retention"], dead.settings["retention"]
    if there >= here:
        return None
    return (
        f"its dead-letter queue {dead.name!r} keeps messages {there:,.10g} s from their send and this queue {here:,.10g} s, so "
        f"some die before anybody reads them: set retention of {dead.name!r} to more than {here:,.10g}, best 1209600 (14 days)"
    )


@rule("info", RETENTION)
def dead_letters_have_no_time(view: View) -> str | None:
    """The dead-letter queue of a standard queue keeps messages longer than the queue, so that somebody has time to look."""
    dead = view.dead_letter
    if dead is None or view.queue.fifo or view.settings["retention"] != dead.settings["retention"]:
        return None
    return (
        f"its dead-letter queue {dead.name!r} keeps messages no longer than this queue, and counts from their send: set "
        f"retention of {dead.name!r} to more than {view.settings['retention']:,.10g}, best 1209600 (14 days)"
    )


@rule("error", DELAY)
def delay_outlives_retention(view: View) -> str | None:
    """A message becomes visible before its retention ends."""
    delay, retention = view.settings["delay"], view.settings["retention"]
    if delay < retention:
        return None
    return (
        f"messages are delayed {delay:,.10g} s and kept {retention:,.10g} s, so none is ever visible: raise retention"
    )


@rule("error", DEAD_LETTERS)
def dies_before_dead_letter(view: View) -> str | None:
    """max_receives visibility timeouts fit into the retention, or what its consumers never answer is lost, not dead."""
    receives, retention = view.settings["max_receives"], view.settings["retention"]
    if receives is None or on_poison(view) != "dead_letter" or view.settings["delay"] >= retention:
        return None
    needed = view.settings["delay"] + receives * view.settings["visibility_timeout"]
    if needed < retention:
        return None
    return (
        f"{receives} receives of {view.settings['visibility_timeout']:,.10g} s take {needed:,.10g} s with the delay, and "
        f"messages are kept {retention:,.10g} s, so those whose consumer dies are lost and never dead letters: raise "
        f"retention, or lower max_receives or visibility_timeout"
    )


@rule("warning", QUOTAS)
def no_second_receive(view: View) -> str | None:
    """A message whose consumer died becomes visible again before its retention ends."""
    delay, lease, retention = (view.settings[name] for name in ("delay", "visibility_timeout", "retention"))
    if view.settings["max_receives"] is not None or delay >= retention or delay + lease < retention:
        return None
    return (
        f"delay and visibility_timeout are {delay + lease:,.10g} s together and messages are kept {retention:,.10g} s, so one "
        f"whose consumer dies is lost in flight: raise retention or lower visibility_timeout"
    )


@rule("warning", DEAD_LETTERS)
def one_receive_only(view: View) -> str | None:
    """max_receives is high enough for a retry: a crash, a deployment or a throttled call is no fault of the message."""
    if view.settings["max_receives"] != 1 or on_poison(view) == "block":
        return None
    if on_poison(view) == "park":
        return (
            "max_receives=1 parks the group of every message whose only receive failed, a crash or a throttled call being "
            "enough: set it to 3 or more"
        )
    return (
        "max_receives=1 makes a dead letter of every message whose only receive failed, a crash or a throttled call being "
        "enough: set it to 3 or more (AWS: at least 5 for Lambda)"
    )


@rule("warning", VISIBILITY)
def no_visibility_timeout(view: View) -> str | None:
    """A received message is hidden from the others while it is handled."""
    if view.settings["visibility_timeout"] != 0:
        return None
    return (
        "visibility_timeout=0 leaves a received message visible, so others receive it too while it is handled: set it "
        "above the longest time a handler takes"
    )


@rule("info", DEAD_LETTERS)
def no_max_receives(view: View) -> str | None:
    """A queue with a dead-letter queue says after how many receives a message goes there."""
    dead = view.dead_letter
    if dead is None or view.settings["max_receives"] is not None:
        return None
    return (
        f"without max_receives only rejected messages and bodies that do not decode go to {dead.name!r}; one whose handler "
        f"always fails comes back until its retention ends: set max_receives, 3 to 5 for most"
    )


@rule("info", DEAD_LETTERS)
def no_dead_letter_queue(view: View) -> str | None:
    """A queue has a dead-letter queue, or is one."""
    if view.dead_letter is not None or view.of or on_poison(view) == "park":
        return None
    return (
        "without a dead-letter queue a message whose handler always fails comes back until its retention ends, and is "
        "then gone: give it dead_letter= and max_receives="
    )


@rule("warning", "decouple: Queue, body")
def dead_letters_of_another_type(view: View) -> str | None:
    """A typed dead-letter queue has the type of the queues it serves, because dead letters move as text."""
    dead = view.dead_letter
    if dead is None or dead.body_type in (str, view.queue.body_type):
        return None
    return (
        f"its dead-letter queue {dead.name!r} reads {dead.body_type.__name__} and its own bodies are "
        f"{view.queue.body_type.__name__}, so dead letters may not decode there: declare {dead.name!r} without body="
    )


@rule("warning", "decouple: Broker.check, Broker.close")
def dead_letter_queue_elsewhere(view: View) -> str | None:
    """A dead-letter queue is declared by the same broker, whose check, close and description include it."""
    dead = view.dead_letter
    if dead is None or view.declared:
        return None
    return (
        f"its dead-letter queue {dead.name!r} is not this broker's, so check(), close() and describe() leave it out: "
        f"make it with broker.queue({dead.name!r})"
    )


# -- what the counts say -------------------------------------------------------------------------------------------


@rule("warning", DEAD_LETTERS)
def dead_letters_nobody_reads(view: View) -> str | None:
    """Dead letters are looked at, or sent back, before a quarter of their retention is over."""
    stats, retention = view.stats, view.settings["retention"]
    tended = stats.received or stats.moved_out or stats.parked
    if not view.of or tended or stats.visible == 0 or (stats.oldest_age or 0) < retention / 4:
        return None
    return (
        f"{stats.visible:,} dead letters of {', '.join(view.of)} wait here and none was ever received; the oldest is "
        f"{stats.oldest_age:,.0f} s old of {retention:,.10g}: read them, or redrive() them once the cause is mended"
    )


@rule("warning", VISIBILITY)
def visibility_timeout_too_short(view: View) -> str | None:
    """Messages are settled within their visibility timeout: fewer than one receive in five ends by it."""
    stats = view.stats
    if stats.received < ENOUGH_MESSAGES or stats.expired * 5 < stats.received:
        return None
    return (
        f"{stats.expired:,} of {stats.received:,} receives ended by the visibility timeout of "
        f"{view.settings['visibility_timeout']:,.10g} s, so those messages were handled twice: raise it above the longest time a "
        f"handler takes, or call message.extend(...) while it works"
    )


@rule("warning", QUOTAS)
def messages_outlive_retention(view: View) -> str | None:
    """Messages are consumed before their retention ends; only dead letters are given up on."""
    if view.of or view.stats.retained_out == 0:
        return None
    return (
        f"{view.stats.retained_out:,} messages were deleted unhandled when their retention of "
        f"{view.settings['retention']:,.10g} s ended: raise retention or add consumers"
    )


@rule("warning", "SQS developer guide, Amazon SQS FIFO queues: message group ID")
def one_group_only(view: View) -> str | None:
    """A FIFO queue has as many message groups as there are things in order: one group is one consumer at a time."""
    if not view.queue.fifo:
        return None
    groups = waiting_groups(view.queue)
    if groups.total() < ENOUGH_MESSAGES or len(groups) > 1:
        return None
    [group] = groups
    return (
        f"all {groups.total():,} messages looked at are of group {group!r}, so one consumer works while the others wait: "
        f"use the thing whose order matters as group, an order's or a customer's id"
    )


def waiting_groups(queue: Queue[Any]) -> Counter[str | None]:
    """The groups of the messages next in line, with how many of each."""
    return Counter(message.group for message in queue.peek(LOOKED_AT))
