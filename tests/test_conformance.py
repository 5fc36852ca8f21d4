"""The conformance kit: our own engine passes it, it says what it found, and it refuses what makes no sense."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest

from decouple import Broker, Capabilities, NotConformant, Queue, VirtualClock
from decouple.testing import behaviours_of_queues, behaviours_of_topics, check_queue, check_topic
from decouple.testing.conformance.behaviour import Behaviour

TRAITS = Broker().capabilities
OPENED = {"messages_survive_as_declared", "receive_counts_survive_as_declared", "a_world_is_shared_as_declared"}


def world() -> Broker:
    return Broker(clock=VirtualClock())


# -- our own engine --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", behaviours_of_queues(TRAITS))
def test_our_queues_behave(behaviour: Behaviour) -> None:
    outcome = behaviour.check(world).outcome

    assert outcome == ("lacking" if behaviour.name in OPENED else "held")


@pytest.mark.parametrize("behaviour", behaviours_of_topics(TRAITS))
def test_our_topics_behave(behaviour: Behaviour) -> None:
    assert behaviour.check(world).outcome == "held"


@pytest.mark.slow
@pytest.mark.parametrize("check", [check_queue, check_topic])
def test_our_engine_behaves_on_real_time(check) -> None:
    report = check(Broker, TRAITS, workers=8)

    assert all("patience" in why for why in report.skipped.values())
    assert len(report.passed) > 60


def test_the_specification_has_a_sentence_and_a_name_of_its_own_for_each_behaviour() -> None:
    both = behaviours_of_queues() + behaviours_of_topics()

    assert len(behaviours_of_queues()) >= 200
    assert len(behaviours_of_topics()) >= 60
    assert len({one.name for one in both}) == len(both)
    assert all(one.sentence.endswith(".") for one in both)
    assert len({one.sentence for one in both}) == len(both)


# -- running it ------------------------------------------------------------------------------------------------------


def test_the_report_is_a_table_by_part_with_a_line_for_what_does_not_simply_hold() -> None:
    report = check_queue(world, TRAITS, only=["*survive*", "a_late_delete*"])

    assert list(report.passed) == [
        "a_late_delete_on_a_standard_queue_deletes",
        "messages_survive_as_declared",
        "receive_counts_survive_as_declared",
    ]
    assert str(report).splitlines() == [
        "conformance of a queue: 3 behaviours, 1 held, 2 lacking, 0 failed, 0 skipped",
        "",
        "                     held  lacking   failed  skipped",
        "settling                1        .        .        .",
        "closing                 .        2        .        .",
        "",
        "lacking  messages_survive_as_declared: without survives",
        "lacking  receive_counts_survive_as_declared: without survives",
    ]
    assert "A receipt of a standard queue deletes the message also" in report._repr_html_()
    assert repr(report).startswith("<Conformance of a queue: 3 behaviours")


def test_an_engine_may_come_as_a_context_that_cleans_up() -> None:
    """One world for each behaviour, and each is ended."""
    ended: list[Broker] = []

    @contextmanager
    def make() -> Iterator[Broker]:
        with world() as broker:
            yield broker
        ended.append(broker)

    report = check_queue(make, TRAITS, only="a_nack*")

    assert len(ended) == len(report.passed) == 4


def test_several_workers_find_what_one_finds() -> None:
    one, four = (check_topic(world, TRAITS, only="*filter*", workers=workers) for workers in (1, 4))

    assert four.verdicts == one.verdicts


def test_it_runs_where_a_loop_runs_already() -> None:
    """As in a notebook: the behaviours of tasks have loops of their own, on another thread."""

    async def main() -> None:
        report = check_queue(world, TRAITS, only="*task*")
        assert len(report.passed) == 4

    asyncio.run(main())


def test_what_waits_too_long_for_real_time_is_skipped() -> None:
    report = check_queue(Broker, TRAITS, only="an_id_counts_for_five_minutes*")

    assert report.skipped == {
        "an_id_counts_for_five_minutes_from_the_first_send": "waits 305 s of real time, over patience=10"
    }
    assert behaviours_of_queues()[0].check(Broker).outcome == "held"


def test_an_engine_that_cannot_be_made_fails_by_its_own_error() -> None:
    def make() -> Broker:
        raise OSError("the disk is full")

    with pytest.raises(NotConformant) as caught:
        check_queue(make, TRAITS._replace(peek=False), only=["every_receive_counts", "a_peek_shows*"])

    assert caught.value.failures == {
        "every_receive_counts": "OSError: the disk is full",
        "a_peek_shows_what_comes_and_takes_nothing": "OSError: the disk is full",
    }


# -- what is declared ------------------------------------------------------------------------------------------------

# How an engine without the ability is caught, and by which behaviour, when its record is wrong by that.
WRONG = {
    "fifo": ("none", "a_group_comes_in_the_order_of_sending"),
    "dedup": (False, "a_second_send_with_the_same_id_is_accepted_and_not_enqueued"),
    "fences_stale_receipts": (False, "an_expired_receipt_deletes_nothing"),
    "attempts": (False, "a_receive_asked_for_again_gives_the_same_messages"),
    "parks_groups": (False, "a_group_that_keeps_failing_is_set_aside_until_it_is_released"),
    "longest_delay": (800, "the_longest_delay_is_the_declared_one"),
    "largest_body": (100_000, "the_largest_body_is_the_declared_one"),
    "books": (False, "the_books_balance"),
    "peek": (False, "a_peek_shows_what_comes_and_takes_nothing"),
    "caps_in_flight": (False, "a_receive_beyond_the_cap_on_messages_in_flight_is_refused"),
    "fair": (False, "a_busy_tenant_does_not_delay_the_others"),
    "reasons": (False, "a_dead_letter_carries_the_last_error_of_its_handlers"),
}
MORE = {"longest_delay": 1_000, "largest_body": 2_000_001}


@pytest.mark.parametrize("ability", WRONG)
def test_an_ability_held_and_not_declared_fails(ability: str) -> None:
    less, name = WRONG[ability]

    with pytest.raises(NotConformant) as caught:
        check_queue(world, TRAITS._replace(**{ability: less}), only=name)

    assert list(caught.value.failures) == [name]


def test_partitioned_order_is_not_exact() -> None:
    with pytest.raises(NotConformant) as caught:
        check_queue(world, TRAITS._replace(fifo="partitioned"))

    assert list(caught.value.failures) == ["any_number_of_groups_is_in_flight_side_by_side"]


def test_a_replay_held_and_not_declared_fails() -> None:
    with pytest.raises(NotConformant) as caught:
        check_topic(world, TRAITS._replace(replays=False))

    assert "an_archive_is_replayed_before_anything_new" in caught.value.failures


@pytest.mark.parametrize("ability", ["survives", "shared"])
def test_an_engine_that_outlives_its_process_must_say_so(ability: str) -> None:
    """Here the "new" world is the old one."""

    @contextmanager
    def same(broker: Broker) -> Iterator[Broker]:
        yield broker

    with pytest.raises(NotConformant) as caught:
        check_queue(world, TRAITS, reopen=same, join=same, only=list(OPENED))

    assert set(caught.value.failures) == OPENED
    level = {"survives": "disk", "shared": "machine"}[ability]
    only = "*survive*" if ability == "survives" else "*shared_as*"
    assert check_queue(world, TRAITS._replace(**{ability: level}), reopen=same, join=same, only=only).failed == {}


@pytest.mark.parametrize("ability", ["exact_counts", "complete_receives"])
def test_what_can_be_there_by_luck_is_skipped_where_it_is_not_declared(ability: str) -> None:
    report = check_queue(world, TRAITS._replace(**{ability: False}))

    assert report.skipped
    assert all(ability.replace("_", " ") in why for why in report.skipped.values())
    assert len(behaviours_of_queues(TRAITS._replace(**{ability: False}))) == len(report.passed)


@pytest.mark.parametrize(("ability", "value"), MORE.items())
def test_a_limit_declared_and_not_held_fails(ability: str, value: int) -> None:
    """Our delays end at 900 s; our bodies at nothing, so a limit is one that is not kept."""
    with pytest.raises(NotConformant) as caught:
        check_queue(world, TRAITS._replace(**{ability: value}), only="*_is_the_declared_one")

    assert list(caught.value.failures) == [WRONG[ability][1]]


def test_an_engine_with_nothing_but_standard_queues_shows_it() -> None:
    """Its FIFO behaviours are tried, and must be refused where the queue is declared."""

    class Plain(Broker):
        def queue(self, name, **settings):
            if name.endswith(".fifo") or settings.get("fifo"):
                raise ValueError("no FIFO queues here")
            return super().queue(name, **settings)

    report = check_queue(lambda: Plain(clock=VirtualClock()), TRAITS._replace(fifo="none"))

    lacking = [one for one, verdict in report.verdicts.items() if verdict.outcome == "lacking"]
    assert len(lacking) == 62
    assert report.verdicts["a_group_comes_in_the_order_of_sending"].why == "without fifo"


# -- wrong arguments -------------------------------------------------------------------------------------------------


def test_a_behaviour_that_does_not_exist_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(ValueError, match="no behaviour is named 'a_late_deletion'; the nearest is 'a_late_"):
        check_queue(world, TRAITS, only="a_late_deletion")


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"traits": "memory"}, TypeError, "traits must be a Capabilities record"),
        ({"traits": Capabilities(fifo="exakt")}, ValueError, "fifo must be one of 'none', 'partitioned', 'exact'"),
        ({"traits": Capabilities(survives="process")}, ValueError, "reopen= must open a world again"),
        ({"traits": Capabilities(shared="machine")}, ValueError, "join= must open a world a second time"),
        ({"make": Broker()}, TypeError, "make must be a callable that gives a Broker"),
        ({"make": lambda: 5}, TypeError, "make must give a Broker, or a context manager that enters as one, not 5"),
        ({"make": lambda: nullcontext(5)}, TypeError, "make must give a Broker, .* not 5"),
        ({"make": lambda: Queue("orders")}, TypeError, "make must give a Broker, .* not <Queue 'orders'"),
        ({"reopen": "again"}, TypeError, "reopen must be a callable"),
        ({"workers": 0}, ValueError, "workers must be at least 1"),
    ],
)
def test_wrong_arguments_are_one_clear_error(given, error, words) -> None:
    with pytest.raises(error, match=words):
        check_queue(**{"make": world, "traits": TRAITS} | given)


def test_a_record_of_capabilities_begins_with_nothing() -> None:
    """What an engine does not name it does not have."""
    assert Capabilities()._asdict() == {
        "fifo": "none",
        "dedup": False,
        "fences_stale_receipts": False,
        "attempts": False,
        "parks_groups": False,
        "survives": "nothing",
        "shared": "process",
        "longest_delay": 0,
        "largest_body": 262_144,
        "resolution": 1,
        "complete_receives": False,
        "exact_counts": False,
        "books": False,
        "peek": False,
        "caps_in_flight": False,
        "reasons": False,
        "replays": False,
        "fair": False,
    }
