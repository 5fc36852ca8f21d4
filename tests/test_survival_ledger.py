"""The ledger of benchmarks/survival.py, by facts written by hand: what it condemns, and what it lets pass."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import surviving_path  # noqa: F401
from surviving.facts import Fact, Plan, read_facts, write_facts
from surviving.ledger import judge, story

PLAN = Plan(
    dead={"work": "dead", "orders.fifo": "dead.fifo"},
    onward={"work": "next"},
    topics={"news": ["copies-a", "copies-b"]},
    handled={"alerts": "alerted"},
    max_receives=3,
)
MS = 1_000_000
LEASE = 1000


class Tale:
    """Facts as they are told, times in ms: a call begins now, takes 1 ms, and the next one begins 1 ms later."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.now = 0
        self.numbers = itertools.count(1)

    def call(self, kind: str, *args: Any, answer: Any = None, how: str = "did", who: str = "1.0") -> None:
        number = next(self.numbers)
        self.facts.append([self.now * MS, who, number, kind, *args])
        if how == "did":
            self.facts.append([(self.now + 1) * MS, who, number, "did", answer])
        elif how != "open":
            self.facts.append([(self.now + 1) * MS, who, number, how, "NotKept", "the disk is full"])
        self.now += 2

    def send(self, tag: str, queue: str = "work", *, group: str | None = None, delay: int = 0, **how: Any) -> None:
        identity = how.pop("id", f"id-{tag}")
        self.call("send", queue, [[tag, group, tag if group else None, delay * MS]], answer=[identity], **how)

    def receive(self, *tags: str, queue: str = "work", count: int = 1, lease: int = LEASE, **how: Any) -> None:
        identity = how.pop("id", None)
        answer = [[tag, identity or f"id-{tag}", count] for tag in tags]
        self.call("receive", queue, 10, lease * MS, answer=answer, **how)

    def delete(self, *tags: str, queue: str = "work", count: int = 1, **how: Any) -> None:
        self.call("delete", queue, [[tag, f"id-{tag}", count] for tag in tags], **how)

    def reject(self, tag: str, queue: str = "work", **how: Any) -> None:
        self.call("reject", queue, [[tag, f"id-{tag}", 1]], **how)

    def move(self, tag: str, **how: Any) -> None:
        self.call("move", "work", [[tag, f"id-{tag}", 1]], "next", **how)

    def keep(self, tag: str, ms: int, queue: str = "work", **how: Any) -> None:
        self.call("keep", queue, [[tag, f"id-{tag}", 1]], ms * MS, **how)

    def handle(self, *tags: str, queue: str = "work", count: int = 1) -> None:
        self.receive(*tags, queue=queue, count=count)
        self.delete(*tags, queue=queue, count=count)

    def die(self, process: str) -> None:
        self.facts.append([self.now * MS, "parent", next(self.numbers), "gone", process])

    def later(self, ms: int = LEASE + 100) -> None:
        self.now += ms

    def laws(self) -> list[str]:
        return [verdict.law for verdict in judge(self.facts, PLAN).verdicts]


@pytest.fixture
def tale() -> Tale:
    return Tale()


# -- what is sent is there -----------------------------------------------------------------------------------------


def test_a_message_that_is_sent_received_and_deleted_is_right(tale):
    tale.send("a")
    tale.handle("a")

    judgement = judge(tale.facts, PLAN)

    assert judgement.verdicts == []
    assert judgement.counts["messages sent and answered"] == 1
    assert judgement.counts["deliveries"] == 1
    assert judgement.counts["deletes answered"] == 1


def test_a_message_that_nobody_sees_again_is_lost(tale):
    tale.send("a")

    assert tale.laws() == ["lost"]


def test_a_message_received_and_never_deleted_is_lost(tale):
    """At the end every queue is drained, so there is nothing that is only received."""
    tale.send("a")
    tale.receive("a")

    assert tale.laws() == ["lost"]


@pytest.mark.parametrize("how", ["open", "broke"])
def test_a_send_without_an_answer_may_be_there_or_not(tale, how):
    tale.send("a", how=how)
    tale.send("b", how=how)
    tale.handle("b")

    assert tale.laws() == []


@pytest.mark.parametrize("how", ["open", "broke"])
def test_a_delete_without_an_answer_may_be_done_or_not(tale, how):
    tale.send("a")
    tale.send("b")
    tale.receive("a", "b")
    tale.delete("a", "b", how=how)
    tale.later()
    tale.handle("b", count=2)

    assert tale.laws() == []


def test_a_delete_that_was_refused_is_none(tale):
    tale.send("a")
    tale.receive("a")
    tale.delete("a", how="refused")

    assert tale.laws() == ["lost"]


def test_what_was_published_is_in_each_queue_of_the_topic(tale):
    tale.send("a", queue="news")
    tale.receive("a", queue="copies-a", id="another")
    tale.delete("a", queue="copies-a")

    [verdict] = judge(tale.facts, PLAN).verdicts

    assert (verdict.law, verdict.home, verdict.tag) == ("lost", "copies-b", "a")


def test_a_message_that_nobody_sent_is_invented(tale):
    tale.handle("a")

    assert tale.laws() == ["invented"]


def test_a_message_whose_send_was_refused_is_invented(tale):
    tale.send("a", how="refused")
    tale.handle("a")

    assert tale.laws() == ["invented"]


def test_a_send_that_was_refused_asks_for_nothing(tale):
    tale.send("a", how="refused")

    assert tale.laws() == []


def test_a_message_with_two_ids_is_doubled(tale):
    tale.send("a")
    tale.handle("a")
    tale.receive("a", id="another")
    tale.delete("a")

    assert "doubled" in tale.laws()


def test_a_message_sent_again_under_its_deduplication_id_is_one(tale):
    tale.send("a", queue="orders.fifo", group="g")
    tale.send("a", queue="orders.fifo", group="g", who="2.0")
    tale.handle("a", queue="orders.fifo")

    assert tale.laws() == []


def test_a_duplicate_answered_with_another_id_is_doubled(tale):
    tale.send("a", queue="orders.fifo", group="g")
    tale.send("a", queue="orders.fifo", group="g", id="another")
    tale.handle("a", queue="orders.fifo")

    assert tale.laws() == ["doubled"]


def test_what_handlers_are_to_run_is_run_at_least_once(tale):
    for tag in ("a", "b", "c"):
        tale.send(tag, queue="alerts")
    for tag in ("a", "b", "b", "d"):
        tale.facts.append([tale.now * MS, "1.0", next(tale.numbers), "ran", ["alerted", tag]])

    verdicts = judge(tale.facts, PLAN).verdicts

    assert {(verdict.law, verdict.tag) for verdict in verdicts} == {("lost", "c"), ("invented", "d")}


# -- what is deleted is gone ---------------------------------------------------------------------------------------


def test_a_message_delivered_after_its_delete_is_resurrected(tale):
    tale.send("a")
    tale.handle("a")
    tale.later()
    tale.handle("a", count=2)

    assert tale.laws() == ["resurrected"]


def test_a_receive_that_began_before_the_delete_came_back_may_still_bring_it(tale):
    tale.send("a")
    tale.receive("a")
    tale.later()
    receive = [tale.now * MS, "2.0", 99, "receive", "work", 1, LEASE * MS]
    tale.delete("a")
    tale.facts += [receive, [tale.now * MS, "2.0", 99, "did", [["a", "id-a", 2]]]]

    assert tale.laws() == []


def test_a_message_deleted_in_time_is_no_dead_letter(tale):
    tale.send("a")
    for count in (1, 2):
        tale.receive("a", count=count)
        tale.later()
    tale.handle("a", count=3)
    tale.handle("a", queue="dead", count=4)

    assert tale.laws() == ["resurrected"]


def test_a_delete_after_the_last_lease_may_come_too_late(tale):
    """On a standard queue any receipt deletes, and no receipt reaches a message that has moved."""
    tale.send("a")
    for count in (1, 2, 3):
        tale.receive("a", count=count)
        tale.later()
    tale.delete("a", count=3)
    tale.handle("a", queue="dead", count=4)

    assert tale.laws() == []


# -- what is handed on is in one place -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["did", "open", "broke"])
def test_a_message_handed_on_is_the_next_queues_and_its_count_starts_anew(tale, how):
    tale.send("a")
    tale.receive("a")
    tale.move("a", how=how)
    tale.handle("a", queue="next")

    assert tale.laws() == []


def test_a_message_whose_move_was_answered_comes_from_its_queue_no_more(tale):
    tale.send("a")
    tale.receive("a")
    tale.move("a")
    tale.later()
    tale.handle("a", count=2)

    assert tale.laws() == ["resurrected"]


@pytest.mark.parametrize("how", ["did", "open"])
def test_a_message_that_left_its_queue_and_arrived_nowhere_is_lost(tale, how):
    tale.send("a")
    tale.receive("a")
    tale.move("a", how=how)

    assert tale.laws() == ["lost"]


def test_a_message_handed_on_that_is_in_its_queue_still_is_condemned(tale):
    tale.send("a")
    tale.receive("a")
    tale.move("a", how="open")
    tale.receive("a", queue="next")
    tale.later()
    tale.handle("a", count=2)

    assert tale.laws() == ["back"]


# -- time ----------------------------------------------------------------------------------------------------------


def test_a_message_delivered_before_its_delay_is_over_is_early(tale):
    tale.send("a", delay=500)
    tale.later(400)
    tale.handle("a")

    assert tale.laws() == ["early"]


def test_a_message_delivered_when_its_delay_is_over_is_right(tale):
    tale.send("a", delay=500)
    tale.later(500)
    tale.handle("a")

    assert tale.laws() == []


def test_a_message_delivered_while_it_is_in_flight_is_handled_twice(tale):
    tale.send("a")
    tale.receive("a")
    tale.later(500)
    tale.handle("a", count=2)

    assert tale.laws() == ["twice"]


def test_a_message_that_was_given_back_may_be_delivered_at_once(tale):
    tale.send("a")
    tale.receive("a")
    tale.keep("a", 0)
    tale.handle("a", count=2)

    assert tale.laws() == []


def test_a_message_given_back_with_a_delay_stays_away_for_so_long(tale):
    tale.send("a")
    tale.receive("a")
    tale.keep("a", 200)
    tale.later(100)
    tale.handle("a", count=2)

    assert tale.laws() == ["twice"]


def test_a_message_that_is_kept_longer_is_nobody_elses_until_then(tale):
    tale.send("a")
    tale.receive("a")
    tale.keep("a", 3 * LEASE)
    tale.later(2 * LEASE)
    tale.handle("a", count=2)

    assert tale.laws() == ["twice"]


def test_a_message_kept_by_a_call_that_never_came_back_may_be_free_again(tale):
    tale.send("a")
    tale.receive("a")
    tale.keep("a", 0, how="open")
    tale.handle("a", count=2)

    assert tale.laws() == []


# -- counts and dead letters ---------------------------------------------------------------------------------------


def test_a_receive_count_that_does_not_rise_is_condemned(tale):
    tale.send("a")
    tale.receive("a")
    tale.later()
    tale.handle("a", count=1)

    assert set(tale.laws()) == {"count"}


def test_a_receive_count_that_leaps_is_condemned(tale):
    tale.send("a")
    tale.handle("a", count=2)

    assert tale.laws() == ["count"]


def test_a_receive_that_never_came_back_may_have_counted(tale):
    tale.send("a")
    tale.receive(how="open")
    tale.later()
    tale.handle("a", count=2)

    assert tale.laws() == []


def test_a_receive_that_was_over_before_the_send_has_not_counted(tale):
    tale.receive(how="open")
    tale.die("1")
    tale.later()
    tale.send("a", who="2.0")
    tale.handle("a", count=2)

    assert tale.laws() == ["count"]


def test_a_dead_letter_after_as_many_receives_as_are_allowed_is_right(tale):
    tale.send("a")
    for count in (1, 2, 3):
        tale.receive("a", count=count)
        tale.later()
    tale.handle("a", queue="dead", count=4)

    judgement = judge(tale.facts, PLAN)

    assert judgement.verdicts == []
    assert judgement.counts["dead letters"] == 1


def test_a_dead_letter_after_fewer_receives_is_condemned(tale):
    tale.send("a")
    tale.receive("a")
    tale.later()
    tale.handle("a", queue="dead", count=2)

    assert tale.laws() == ["dead"]


@pytest.mark.parametrize("how", ["did", "open", "broke"])
def test_a_rejected_message_may_be_a_dead_letter_at_once(tale, how):
    tale.send("a")
    tale.receive("a")
    tale.reject("a", how=how)
    tale.handle("a", queue="dead", count=2)

    assert tale.laws() == []


def test_a_message_received_more_often_than_is_allowed_is_condemned(tale):
    tale.send("a")
    for count in (1, 2, 3):
        tale.receive("a", count=count)
        tale.later()
    tale.handle("a", count=4)

    assert tale.laws() == ["dead"]


def test_a_dead_letter_delivered_twice_is_condemned(tale):
    tale.send("a")
    tale.receive("a")
    tale.reject("a")
    tale.handle("a", queue="dead", count=2)
    tale.handle("a", queue="dead", count=3)

    assert tale.laws() == ["resurrected"]


def test_a_dead_letter_that_is_in_its_queue_still_is_condemned(tale):
    tale.send("a")
    tale.receive("a")
    tale.reject("a")
    tale.receive("a", queue="dead", count=2)
    tale.later()
    tale.handle("a", count=3)

    assert tale.laws() == ["back"]


def test_a_dead_letter_that_is_nowhere_is_lost(tale):
    tale.send("a")
    tale.receive("a")
    tale.reject("a")

    assert tale.laws() == ["lost"]


# -- letters that are sent back ------------------------------------------------------------------------------------


def sent_back(tale: Tale, **how: Any) -> None:
    tale.send("a")
    tale.receive("a")
    tale.reject("a")
    tale.call("redrive", "dead", **how)


@pytest.mark.parametrize("how", ["did", "open"])
def test_a_letter_that_was_sent_back_is_a_new_message(tale, how):
    sent_back(tale, how=how)
    tale.receive("a", id="another")
    tale.call("delete", "work", [["a", "another", 1]])

    assert tale.laws() == []


def test_a_letter_that_was_sent_back_and_is_nowhere_is_lost(tale):
    sent_back(tale)

    assert tale.laws() == ["lost"]


def test_a_letter_that_was_sent_back_twice_at_a_time_is_doubled(tale):
    sent_back(tale)
    for identity in ("another", "one more"):
        tale.receive("a", id=identity)
        tale.call("delete", "work", [["a", identity, 1]])

    assert tale.laws() == ["doubled"]


def test_a_letter_that_was_sent_back_and_is_still_dead_is_condemned(tale):
    sent_back(tale)
    tale.receive("a", id="another")
    tale.call("delete", "work", [["a", "another", 1]])
    tale.handle("a", queue="dead", count=2)

    assert tale.laws() == ["back"]


# -- order ---------------------------------------------------------------------------------------------------------


def in_order(tale: Tale, *tags: str) -> None:
    for tag in tags:
        tale.send(tag, queue="orders.fifo", group="g")


def test_a_group_that_comes_in_the_order_of_sending_is_right(tale):
    in_order(tale, "a", "b", "c")
    tale.handle("a", queue="orders.fifo")
    tale.handle("b", "c", queue="orders.fifo")

    assert tale.laws() == []


def test_a_message_delivered_before_an_earlier_one_of_its_group_is_out_of_order(tale):
    in_order(tale, "a", "b")
    tale.handle("b", queue="orders.fifo")
    tale.handle("a", queue="orders.fifo")

    assert tale.laws() == ["order"]


def test_a_message_ahead_of_an_earlier_one_in_one_answer_is_out_of_order(tale):
    in_order(tale, "a", "b")
    tale.handle("b", "a", queue="orders.fifo")

    assert tale.laws() == ["order"]


def test_a_message_delivered_while_its_group_is_in_another_hand_is_out_of_order(tale):
    in_order(tale, "a", "b")
    tale.receive("a", queue="orders.fifo")
    tale.receive("b", queue="orders.fifo", who="2.0")
    tale.delete("a", queue="orders.fifo")
    tale.delete("b", queue="orders.fifo")

    assert tale.laws() == ["order"]


def test_a_message_delivered_while_an_earlier_one_will_come_again_is_out_of_order(tale):
    """The delete never came back, and was not done, as the next delivery shows."""
    in_order(tale, "a", "b")
    tale.receive("a", queue="orders.fifo")
    tale.delete("a", queue="orders.fifo", how="open")
    tale.die("1")
    tale.later()
    tale.handle("b", queue="orders.fifo")
    tale.handle("a", queue="orders.fifo", count=2)

    assert tale.laws() == ["order"]


def test_a_group_goes_on_behind_a_delete_that_never_came_back(tale):
    in_order(tale, "a", "b")
    tale.receive("a", queue="orders.fifo")
    tale.delete("a", queue="orders.fifo", how="open")
    tale.handle("b", queue="orders.fifo")

    assert tale.laws() == []


def test_a_group_goes_on_behind_a_dead_letter(tale):
    in_order(tale, "a", "b")
    for count in (1, 2, 3):
        tale.receive("a", queue="orders.fifo", count=count)
        tale.later()
    tale.handle("b", queue="orders.fifo")
    tale.handle("a", queue="dead.fifo", count=4)

    assert tale.laws() == []


def test_a_send_that_never_came_back_and_is_not_there_holds_nobody_up(tale):
    tale.send("a", queue="orders.fifo", group="g", how="open")
    in_order(tale, "b")
    tale.handle("b", queue="orders.fifo")

    assert tale.laws() == []


def test_groups_do_not_wait_for_each_other(tale):
    tale.send("a", queue="orders.fifo", group="g")
    tale.send("b", queue="orders.fifo", group="h")
    tale.handle("b", queue="orders.fifo")
    tale.handle("a", queue="orders.fifo")

    assert tale.laws() == []


# -- the rest ------------------------------------------------------------------------------------------------------


def test_what_is_left_at_the_end_is_condemned(tale):
    tale.facts.append([0, "9", 1, "left", {"work": 2, "dead": 0}])

    assert tale.laws() == ["left"]


def test_what_a_process_found_wrong_is_condemned(tale):
    tale.facts.append([0, "9", 1, "wrong", "the books of 'work' do not balance"])

    assert tale.laws() == ["wrong"]


def test_a_story_is_the_calls_about_one_message(tale):
    tale.send("a")
    tale.send("b")
    tale.receive("a", "b")

    verdicts = judge(tale.facts, PLAN).verdicts
    told = story(tale.facts, next(verdict for verdict in verdicts if verdict.tag == "b"))

    assert [" ".join(line.split()) for line in told] == [
        "0.000 1.0 2 send work [['b', None, None, 0]]",
        "1.000 1.0 2 did 1",
        "2.000 1.0 3 receive work 10 1000000000",
        "3.000 1.0 3 did [['b', 'id-b', 1]]",
    ]


def test_a_torn_last_line_is_no_fact(tmp_path):
    """A kill in the middle of a write."""
    note = write_facts(tmp_path / "facts.txt")
    note(1, "1.0", 1, "send", "work", [["a", None, None, 0]])
    note(2, "1.0", 1, "did", ["id-a"])
    whole = (tmp_path / "facts.txt").read_bytes()
    second = whole.index(b"\n") + 1

    for end in range(second, len(whole)):
        (tmp_path / "facts.txt").write_bytes(whole[:end])
        assert [fact[3] for fact in read_facts([tmp_path / "facts.txt"])] == ["send"]
