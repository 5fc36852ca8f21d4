"""The conformance kit catches what is wrong: over a hundred engines with one fault each, and no behaviour is there in vain."""

from __future__ import annotations

from typing import Any

import pytest
import wrong_queues
import wrong_topics

from decouple import Broker, NotConformant, VirtualClock
from decouple.testing import behaviours_of_queues, behaviours_of_topics, check_queue, check_topic

TRAITS = Broker().capabilities


def engines(module: Any) -> list[Any]:
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, module.Wrong)]
    return [kind for kind in kinds if kind is not module.Wrong]


QUEUES, TOPICS = engines(wrong_queues), engines(wrong_topics)
# What only an engine that can be opened again, or that is not new when it is made, gets wrong; tested by themselves.
OF_WORLDS = {
    "a_new_world_is_empty", "messages_survive_as_declared", "receive_counts_survive_as_declared",
    "a_world_is_shared_as_declared",
}  # fmt: skip


@pytest.mark.parametrize("kind", QUEUES)
def test_a_wrong_queue_is_caught_by_the_behaviours_it_lacks(kind: type[wrong_queues.Wrong]) -> None:
    with pytest.raises(NotConformant) as caught:
        check_queue(lambda: wrong_queues.world(kind), TRAITS, only=kind.caught_by)

    assert set(caught.value.failures) == set(kind.caught_by)


@pytest.mark.parametrize("kind", TOPICS)
def test_a_wrong_topic_is_caught_by_the_behaviours_it_lacks(kind: type[wrong_topics.Wrong]) -> None:
    with pytest.raises(NotConformant) as caught:
        check_topic(lambda: wrong_topics.world(kind), TRAITS, only=kind.caught_by)

    assert set(caught.value.failures) == set(kind.caught_by)


def test_every_behaviour_catches_an_engine() -> None:
    """None of them holds whatever the engine does."""
    of_queues = {name for kind in QUEUES for name in kind.caught_by}
    of_topics = {name for kind in TOPICS for name in kind.caught_by}

    assert {one.name for one in behaviours_of_queues(TRAITS)} - of_queues == OF_WORLDS
    assert {one.name for one in behaviours_of_topics(TRAITS)} == of_topics


@pytest.mark.parametrize("module", [wrong_queues, wrong_topics])
def test_an_engine_is_not_accused_for_being_another_class(module: Any) -> None:
    """The engines above are wrong by their one fault alone: without it they conform."""
    check = check_queue if module is wrong_queues else check_topic

    assert check(lambda: module.world(module.Wrong), TRAITS).failed == {}


def test_a_world_that_is_not_new_is_caught() -> None:
    old = Broker(clock=VirtualClock())
    old.queue("orders").send("left here")

    with pytest.raises(NotConformant) as caught:
        check_queue(lambda: old, TRAITS, only="a_new_world_is_empty")

    assert "left here" in caught.value.failures["a_new_world_is_empty"]


def test_all_that_is_wrong_is_in_one_error_with_its_sentence_and_what_came() -> None:
    with pytest.raises(NotConformant) as caught:
        check_queue(lambda: wrong_queues.world(wrong_queues.ComesBackEarly), TRAITS)

    failures, text = caught.value.failures, str(caught.value)
    assert len(failures) > 4
    assert text.startswith(f"{len(failures)} of 208 behaviours are not as they should be:\n")
    assert all(name in text for name in failures)
    assert (
        "  a_message_not_settled_comes_again_after_its_visibility_timeout\n"
        "    A message that nobody settles is received again once its visibility timeout is over, and not before.\n"
        "    before the visibility timeout is over: ['x'] came (visibility.py, line "
    ) in text
    report = caught.value.report
    assert report.failed == failures
    assert len(report.passed) == 208 - len(failures)
    assert "failed   a_message_not_settled_comes_again" in str(report)
    assert 'class="failed"' in report._repr_html_()


def test_a_fault_of_time_shows_on_real_time_too() -> None:
    """And is tried a second time, slower, before it is believed."""
    made: list[Broker] = []

    class Early(wrong_queues.WrongWorld):
        def __init__(self) -> None:
            Broker.__init__(self, observers=[lambda change: None])
            self.kind = wrong_queues.ComesBackEarly
            made.append(self)

    with pytest.raises(NotConformant):
        check_queue(Early, TRAITS._replace(resolution=0), only="a_message_not_settled_comes_again*")

    assert len(made) == 2
