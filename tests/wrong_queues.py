"""Queues that are wrong in one thing each, for the conformance kit to catch."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from contextlib import suppress
from typing import Any

from decouple import Broker, Entry, Message, Queue, VirtualClock
from decouple.aio import AsyncQueue
from decouple.attributes import Attribute
from decouple.core.records import NOTHING
from decouple.errors import (
    DecoupleError,
    LawBroken,
    MessageTooLarge,
    NotInFlight,
    QueueClosed,
    ReceiptExpired,
    ReceiptInvalid,
    TooManyInFlight,
    VisibilityTooLong,
)
from decouple.message import FifoMessage

REFUSALS = (ValueError, TypeError, DecoupleError)
NUMBERS = itertools.count(1)


class Answer:
    """What a wrong send answers."""

    id = "1"
    sequence = None


class Wrong(Queue):
    """What a wrong queue may have besides methods: settings it is declared with, another handle, another awaitable face.

    caught_by: the behaviours that must fail on it.
    """

    caught_by: tuple[str, ...] = ()

    message: type[Message] | None = None
    fifo_message: type[FifoMessage] | None = None
    face: type[AsyncQueue] = AsyncQueue
    declares = staticmethod(lambda name, settings: (name, settings))
    lenient = False


def world(kind: type[Wrong]) -> Broker:
    return WrongWorld(kind)


class WrongWorld(Broker):
    """A broker whose queues are of that kind. It is observed, so all that users do goes through the methods."""

    def __init__(self, kind: type[Wrong]) -> None:
        super().__init__(clock=VirtualClock(), observers=[lambda change: None])
        self.kind = kind

    def queue(self, name: str, **settings: Any) -> Any:
        name, settings = self.kind.declares(name, dict(settings))
        try:
            queue = super().queue(name, **settings)
        except REFUSALS:
            if not self.kind.lenient:
                raise
            return self.queues.get(name) or self.queue(f"other{next(NUMBERS)}")
        if queue.__class__ is Queue:
            queue.__class__ = self.kind
            make = self.kind.fifo_message if queue.fifo else self.kind.message
            if make is not None:
                queue._make = queue._core.make = make
            queue.aio = self.kind.face(queue)
        return queue


# -- sending ---------------------------------------------------------------------------------------------------------


class ChangesBodies(Wrong):
    caught_by = ("a_sent_message_is_received_with_its_id_and_body",)

    def send(self, body, **given):
        return super().send(body + "!" if isinstance(body, str) else body, **given)


class GivesOneId(Wrong):
    caught_by = (
        "a_message_has_its_group_and_sequence_number",
        "every_message_has_an_id_of_its_own",
    )

    def send(self, body, **given):
        super().send(body, **given)
        return Answer()


class TellsTheTimeOfAsking(Wrong):
    caught_by = ("a_message_says_when_it_was_sent",)

    def _shown(self, instant):
        return super()._shown(self.clock.now())


class AddsAnAttribute(Wrong):
    caught_by = ("a_plain_message_has_nothing_else",)

    def send(self, body, *, attributes=None, **given):
        return super().send(body, attributes={"added": 1} if attributes is None else attributes, **given)


class SendsTwice(Wrong):
    caught_by = (
        "threads_share_a_queue_without_losing_or_doubling",
        "a_received_message_is_hidden_from_other_receives",
    )

    def send(self, body, **given):
        if not self.fifo:
            super().send(body, **given)
        return super().send(body, **given)


class DropsGroups(Wrong):
    caught_by = (
        "a_wrong_group_is_refused",
        "a_group_on_a_standard_queue_arrives_and_blocks_nothing",
    )

    def send(self, body, *, group=None, **given):
        return super().send(body, group=group if self.fifo else None, **given)


class DropsSystemAttributes(Wrong):
    caught_by = ("system_attributes_arrive_beside_the_others",)

    def send(self, body, *, system=None, **given):
        return super().send(body, **given)


class IgnoresDelays(Wrong):
    caught_by = (
        "a_delayed_message_is_hidden_until_its_delay_is_over",
        "a_message_of_a_fifo_queue_has_no_delay_of_its_own",
    )

    def send(self, body, *, delay=None, **given):
        return super().send(body, delay=None, **given)


class BlocksBehindDelays(Wrong):
    caught_by = (
        "a_delayed_message_holds_back_no_other",
        "a_long_poll_gets_a_message_whose_delay_ends",
    )

    def receive(self, **given):
        return [] if self.stats().delayed else super().receive(**given)


class IgnoresTheDelayOfTheQueue(Wrong):
    caught_by = ("the_delay_of_the_queue_holds_where_none_is_given",)

    def send(self, body, *, delay=None, **given):
        return super().send(body, delay=delay or (None if self.fifo else 0), **given)


class TakesADelayOf0ForNone(Wrong):
    caught_by = ("a_delay_of_0_overrides_that_of_the_queue",)

    def send(self, body, *, delay=None, **given):
        return super().send(body, delay=delay or None, **given)


class DelaysWhatIsStored(Wrong):
    caught_by = ("a_changed_delay_holds_for_later_sends_only",)

    def configure(self, **settings):
        super().configure(**settings)
        if "delay" in settings and not self.fifo:
            super().receive(max_messages=100, visibility_timeout=settings["delay"])


class ClampsDelays(Wrong):
    caught_by = (
        "the_longest_delay_is_the_declared_one",
        "a_delay_that_is_none_is_refused",
    )

    def send(self, body, *, delay=None, **given):
        return super().send(
            body, delay=delay if not isinstance(delay, (int, float)) else min(900, max(0, delay)), **given
        )


class SanitizesIds(Wrong):
    caught_by = (
        "a_wrong_deduplication_id_is_refused",
        "a_wrong_group_of_a_fifo_queue_is_refused",
    )

    def send(self, body, *, group=None, deduplication_id=None, **given):
        group, deduplication_id = (
            None if one is None else (one.encode("ascii", "ignore").decode().replace(" ", "")[:128] or "x")
            for one in (group, deduplication_id)
        )
        return super().send(body, group=group, deduplication_id=deduplication_id, **given)


class TakesIdsOnStandardQueues(Wrong):
    caught_by = ("a_deduplication_id_on_a_standard_queue_is_refused",)

    def send(self, body, *, deduplication_id=None, **given):
        return super().send(body, deduplication_id=deduplication_id if self.fifo else None, **given)


# -- bodies ----------------------------------------------------------------------------------------------------------


class TranslatesLineEnds(Wrong):
    caught_by = ("text_arrives_unchanged",)

    def send(self, body, **given):
        return super().send(body.replace("\r", "") if isinstance(body, str) else body, **given)


class SendsTheWordsOfPython(Wrong):
    caught_by = ("what_json_holds_becomes_json_text",)

    def send(self, body, **given):
        return super().send(body if isinstance(body, str) or self._codec else str(body), **given)


class SendsLater(Wrong):
    """It encodes a message when it is received."""

    caught_by = ("the_receiver_shares_no_object_with_the_sender",)

    def send(self, body, **given):
        self.__dict__.setdefault("later", []).append((body, given))
        return Answer()

    def receive(self, **given):
        for body, more in self.__dict__.pop("later", []):
            super().send(body, **more)
        return super().receive(**given)


class SwallowsWhatIsWrongWithASend(Wrong):
    caught_by = ("a_body_that_is_no_text_is_refused",)

    def send(self, body, **given):
        with suppress(*REFUSALS):
            return super().send(body, **given)
        return Answer()


class SendsWhatItCanOfIt(Wrong):
    """What is wrong is made right."""

    caught_by = ("a_body_that_is_no_text_is_refused",)

    def send(self, body, **given):
        with suppress(*REFUSALS):
            return super().send(body, **given)
        return super().send(body if body and isinstance(body, str) else "made up")


class CutsBodies(Wrong):
    caught_by = (
        "a_body_of_exactly_the_limit_is_taken_and_a_byte_more_is_not",
        "a_changed_size_holds_for_later_sends",
    )

    def send(self, body, **given):
        try:
            return super().send(body, **given)
        except MessageTooLarge:
            return super().send(body[:100], **given)


class CutsLargeBodies(Wrong):
    caught_by = ("the_largest_body_is_the_declared_one",)

    def send(self, body, **given):
        return super().send(body[:1_048_576] if isinstance(body, str) else body, **given)


class CountsCharacters(Wrong):
    caught_by = ("the_size_counts_bytes_of_utf_8",)

    def send(self, body, **given):
        if isinstance(body, str) and len(body) <= self.settings["max_message_size"] < len(body.encode()):
            body = body[:100]
        return super().send(body, **given)


class CountsTheBodyAlone(Wrong):
    caught_by = ("the_size_counts_name_type_and_value_of_attributes",)

    def send(self, body, *, attributes=None, **given):
        with suppress(MessageTooLarge):
            return super().send(body, attributes=attributes, **given)
        return super().send(body, **given)


class MakesAttributesText(Wrong):
    caught_by = ("attributes_come_back_as_they_were_sent",)

    def send(self, body, *, attributes=None, **given):
        if isinstance(attributes, dict):
            attributes = {name: one if isinstance(one, Attribute) else f"{one}" for name, one in attributes.items()}
        return super().send(body, attributes=attributes, **given)


class DropsTypesOfAttributes(Wrong):
    caught_by = ("an_attribute_keeps_a_type_of_its_own",)

    def send(self, body, *, attributes=None, **given):
        if isinstance(attributes, dict):
            attributes = {
                name: float(one.value) if isinstance(one, Attribute) else one for name, one in attributes.items()
            }
        return super().send(body, attributes=attributes, **given)


class TakesTenOfEleven(Wrong):
    caught_by = ("ten_attributes_are_taken_and_eleven_are_not",)

    def send(self, body, *, attributes=None, **given):
        if isinstance(attributes, dict):
            attributes = dict(list(attributes.items())[:10])
        return super().send(body, attributes=attributes, **given)


class LeavesOutWrongAttributes(Wrong):
    caught_by = ("a_wrong_attribute_is_refused",)

    def send(self, body, *, attributes=None, **given):
        with suppress(ValueError, TypeError):
            return super().send(body, attributes=attributes, **given)
        return super().send(body, **given)


class GivesDictsForTypes(Wrong):
    caught_by = ("a_typed_body_arrives_as_its_type",)

    def _decode(self, text):
        return text if self._codec is None else json.loads(text)


class TakesDictsForTypes(Wrong):
    caught_by = ("a_typed_queue_takes_only_its_type",)

    def send(self, body, **given):
        with suppress(TypeError):
            return super().send(body, **given)
        return Answer()


class SaysNothingOfWhatDoesNotDecode(Wrong):
    caught_by = ("a_body_that_does_not_decode_is_delivered_and_says_so",)

    def _decode(self, text):
        with suppress(DecoupleError):
            return super()._decode(text)


class DeliversWhatDoesNotDecode(Wrong):
    caught_by = ("a_body_that_does_not_decode_is_a_dead_letter_where_it_can_be",)

    def _decodable(self, deliveries):
        return deliveries


# -- batches ---------------------------------------------------------------------------------------------------------


class AnswersBatchesBackwards(Wrong):
    caught_by = ("a_batch_answers_for_each_entry_in_order",)

    def send_batch(self, entries):
        return super().send_batch(entries)[::-1]


class TakesTenOfABatch(Wrong):
    caught_by = (
        "a_batch_may_have_any_number_of_entries",
        "what_is_one_body_is_no_batch",
    )

    def send_batch(self, entries):
        return super().send_batch(itertools.islice(entries, 10))


class SendsBodiesOfEntries(Wrong):
    caught_by = (
        "an_entry_has_a_delay_of_its_own",
        "an_entry_has_attributes_of_its_own_and_a_dict_is_a_body",
    )

    def send_batch(self, entries):
        return super().send_batch(
            [one.body if isinstance(one, Entry) and not self.fifo else one for one in list(entries)]
        )


class SendsTheGoodOnesOfABatch(Wrong):
    caught_by = ("a_wrong_entry_refuses_the_whole_batch",)

    def send_batch(self, entries):
        answers = []
        for one in entries:
            with suppress(*REFUSALS):
                answers += super().send_batch([one])
        return answers


class SendsBatchesBackwards(Wrong):
    caught_by = ("a_batch_keeps_its_order",)

    def send_batch(self, entries):
        return super().send_batch(list(entries)[::-1])[::-1]


class SendsBatchesOneByOneAndFails(Wrong):
    """What comes before the first wrong entry is sent."""

    caught_by = (
        "a_wrong_entry_refuses_the_whole_batch",
        "a_receive_takes_no_more_than_asked",
    )

    def send_batch(self, entries):
        one_by_one = [entries] if isinstance(entries, (str, dict)) else entries
        return [answer for one in one_by_one for answer in super().send_batch([one])]


# -- receiving -------------------------------------------------------------------------------------------------------


class AnswersNoneForNothing(Wrong):
    caught_by = (
        "a_long_poll_ends_empty_at_its_deadline",
        "a_receive_from_an_empty_queue_is_an_empty_list",
    )

    def receive(self, **given):
        return super().receive(**given) or None


class GivesTheNewestFirst(Wrong):
    caught_by = ("messages_come_oldest_first",)

    def receive(self, *, max_messages=1, **given):
        everything = super().receive(max_messages=1_000, **given)
        for message in everything[:-max_messages]:
            super().change_visibility(message, 0)
            message.past = None
        return everything[-max_messages:]


class GivesMoreThanAsked(Wrong):
    caught_by = ("a_receive_takes_no_more_than_asked",)

    def receive(self, *, max_messages=1, **given):
        return super().receive(max_messages=2 * max_messages, **given)


class GivesOneAtATime(Wrong):
    caught_by = (
        "a_first_message_shown_again_is_given_alone",
        "a_receive_takes_what_it_can_of_one_group",
        "a_receive_takes_all_there_is_up_to_the_number_asked",
    )

    def receive(self, *, max_messages=1, **given):
        return super().receive(max_messages=min(1, max_messages), **given)


class ForgetsToCount(Wrong):
    caught_by = (
        "every_receive_counts",
        "a_change_to_0_makes_the_message_visible",
    )

    def receive(self, **given):
        batch = super().receive(**given)
        for message in batch:
            message.past = None
        return batch


class ForgetsTheFirstReceive(Wrong):
    caught_by = ("the_first_receive_is_remembered",)

    def receive(self, **given):
        batch = super().receive(**given)
        for message in batch:
            if message.past is not None:
                message.past = (message.past[0], None, message.past[2])
        return batch


class GivesOneReceipt(Wrong):
    caught_by = ("every_receive_has_a_receipt_of_its_own",)

    def _receipt_of(self, message):
        return message.id


class ClampsWhatAReceiveIsGiven(Wrong):
    caught_by = ("a_wrong_argument_of_receive_is_refused_and_takes_nothing",)

    def receive(self, *, max_messages=1, wait=None, visibility_timeout=None, **given):
        return super().receive(
            max_messages=max(1, max_messages),
            wait=None if wait is None else max(0, wait),
            visibility_timeout=None if visibility_timeout is None else min(43_200, max(0, visibility_timeout)),
            **given,
        )


class SaysNothingOfItsCap(Wrong):
    caught_by = ("a_receive_beyond_the_cap_on_messages_in_flight_is_refused",)

    def receive(self, **given):
        with suppress(TooManyInFlight):
            return super().receive(**given)
        return []


class WaitsForAll(Wrong):
    caught_by = (
        "a_long_poll_returns_at_once_when_there_is_a_message",
        "a_waiting_receive_is_served_when_a_group_opens",
        "threads_that_wait_are_given_one_message_each",
        "a_long_poll_gets_a_message_whose_visibility_timeout_ends",
        "a_nack_wakes_a_thread_that_waits",
    )

    def receive(self, *, wait=None, **given):
        if wait and self.clock.mine:
            self.clock.advance(wait)
        return super().receive(wait=0 if wait else wait, **given)


class NeverWaits(Wrong):
    caught_by = ("a_waiting_thread_is_given_what_another_sends",)

    def receive(self, *, wait=None, **given):
        return super().receive(wait=0, **given)


class WaitsForTheQueueOnly(Wrong):
    caught_by = ("a_receive_waits_as_long_as_the_queue_says",)

    def receive(self, *, wait=None, **given):
        return super().receive(wait=wait or 0, **given)


class KeepsItsWait(Wrong):
    caught_by = ("a_changed_wait_holds_for_later_receives",)

    def configure(self, **settings):
        settings.pop("wait", None)
        super().configure(**settings)


# -- visibility ------------------------------------------------------------------------------------------------------


class LeavesVisible(Wrong):
    caught_by = ("a_received_message_is_hidden_from_other_receives",)

    def receive(self, *, visibility_timeout=None, **given):
        return super().receive(visibility_timeout=0, **given)


class ComesBackLate(Wrong):
    caught_by = ("a_message_not_settled_comes_again_after_its_visibility_timeout",)

    def receive(self, *, visibility_timeout=None, **given):
        seconds = self.settings["visibility_timeout"] if visibility_timeout is None else visibility_timeout
        return super().receive(visibility_timeout=seconds and min(43_200, seconds * 2), **given)


class ComesBackEarly(Wrong):
    caught_by = ("what_expired_comes_again_before_what_is_behind_it",)

    def receive(self, *, visibility_timeout=None, **given):
        seconds = self.settings["visibility_timeout"] if visibility_timeout is None else visibility_timeout
        return super().receive(visibility_timeout=seconds / 2, **given)


class HidesSinceTheSend(Wrong):
    caught_by = ("the_visibility_timeout_runs_from_the_receive",)

    def receive(self, **given):
        batch = super().receive(**given)
        for message in batch:
            age = (self.clock.time - message.sent_at).total_seconds()
            super().change_visibility(message, max(0, self.settings["visibility_timeout"] - age))
        return batch


class HasOneVisibilityTimeout(Wrong):
    caught_by = ("a_receive_may_have_a_visibility_timeout_of_its_own",)

    def receive(self, *, visibility_timeout=None, **given):
        return super().receive(**given)


class TakesATimeoutOf0ForNone(Wrong):
    caught_by = (
        "a_receive_for_no_time_leaves_the_group_available",
        "a_receive_for_no_time_counts",
        "a_visibility_timeout_of_0_leaves_the_message_visible",
    )

    def receive(self, *, visibility_timeout=None, **given):
        return super().receive(visibility_timeout=visibility_timeout or None, **given)


class EndsLeasesInTheOrderOfReceives(Wrong):
    caught_by = ("leases_end_in_the_order_of_their_deadlines",)

    def receive(self, *, visibility_timeout=None, **given):
        self.longest = max(self.__dict__.get("longest", 0), visibility_timeout or 0)
        return super().receive(visibility_timeout=visibility_timeout and self.longest, **given)


class KeepsItsVisibilityTimeout(Wrong):
    caught_by = ("a_changed_visibility_timeout_holds_for_later_receives",)

    def configure(self, **settings):
        settings.pop("visibility_timeout", None)
        super().configure(**settings)


class ExtendsSinceTheReceive(Wrong):
    caught_by = (
        "an_extension_holds_back_the_group",
        "an_extension_counts_from_the_call",
    )

    def change_visibility(self, one, timeout):
        age = (self.clock.now() - one.received_at) / 1e9 if isinstance(one, Message) else 0
        super().change_visibility(one, max(0, timeout - age) if isinstance(timeout, (int, float)) else timeout)


class NeverShortens(Wrong):
    caught_by = (
        "a_nack_for_later_holds_back_the_group",
        "a_change_may_shorten",
    )

    def change_visibility(self, one, timeout):
        if timeout and isinstance(timeout, (int, float)) and self.clock.now() + timeout * 1e9 < getattr(one, "due", 0):
            return
        super().change_visibility(one, timeout)


class NeverGivesBack(Wrong):
    caught_by = ("a_nack_gives_the_message_back_at_once",)

    def change_visibility(self, one, timeout):
        if timeout != 0:
            super().change_visibility(one, timeout)


class RemembersAChange(Wrong):
    caught_by = ("a_change_is_not_remembered_for_the_next_receive",)

    def change_visibility(self, one, timeout):
        super().change_visibility(one, timeout)
        self.configure(visibility_timeout=timeout)


class TakesNoReceipts(Wrong):
    caught_by = ("a_receipt_is_as_good_as_its_message",)

    def change_visibility(self, one, timeout):
        if isinstance(one, str):
            raise TypeError("a receipt")
        super().change_visibility(one, timeout)

    def delete(self, *many):
        if any(isinstance(one, str) for one in many):
            raise TypeError("a receipt")
        super().delete(*many)


class GivesBackAtOnce(Wrong):
    caught_by = ("a_nack_may_be_for_later",)

    def change_visibility(self, one, timeout):
        super().change_visibility(one, 0)


class RefusesLateChanges(Wrong):
    caught_by = (
        "a_late_change_hides_the_message_again",
        "an_expired_receipt_changes_no_visibility",
    )

    def change_visibility(self, one, timeout):
        if isinstance(one, Message) and not self._holds(one):
            raise NotInFlight(self.name, id=one.id, why="it is late")
        super().change_visibility(one, timeout)


class ClipsVisibility(Wrong):
    caught_by = ("a_message_is_in_flight_for_twelve_hours_at_most",)

    def change_visibility(self, one, timeout):
        with suppress(VisibilityTooLong):
            super().change_visibility(one, timeout)


class TakesWrongTimeouts(Wrong):
    caught_by = ("a_wrong_visibility_timeout_is_refused",)

    def change_visibility(self, one, timeout):
        with suppress(ValueError, TypeError):
            super().change_visibility(one, timeout)


class SaysNothingOfWhatIsGone(Wrong):
    caught_by = (
        "the_visibility_of_a_message_that_is_gone_cannot_change",
        "retention_counts_from_the_send",
    )

    def change_visibility(self, one, timeout):
        with suppress(NotInFlight):
            super().change_visibility(one, timeout)


# -- settling --------------------------------------------------------------------------------------------------------


class NeverDeletes(Wrong):
    caught_by = (
        "a_deleted_message_never_comes_back",
        "an_acknowledged_message_never_comes_back",
    )

    def delete(self, *many):
        pass


class DeletesEverything(Wrong):
    caught_by = ("deleting_one_message_leaves_the_others",)

    def delete(self, *many):
        super().delete(*many)
        if not self.fifo:
            self._core.purge(self.clock.now())


class DeletesOnce(Wrong):
    caught_by = (
        "a_queue_goes_on_after_a_purge",
        "deleting_twice_is_no_error",
        "deleting_what_is_gone_from_a_fifo_queue_is_no_error",
        "deleting_what_retention_removed_is_no_error",
    )

    def delete(self, *many):
        for one in many:
            if isinstance(one, Message) and self._core.find(one.record[2]) is None:
                raise NotInFlight(self.name, id=one.id, why="it is gone")
        super().delete(*many)


class IgnoresLateDeletes(Wrong):
    caught_by = (
        "a_late_delete_on_a_standard_queue_deletes",
        "an_old_receipt_of_a_standard_queue_deletes_what_was_received_again",
    )

    def delete(self, *many):
        super().delete(*(one for one in many if not isinstance(one, Message) or self.fifo or self._holds(one)))


class DeletesTheFirst(Wrong):
    caught_by = ("several_messages_are_deleted_at_once",)

    def delete(self, *many):
        super().delete(*many[:1])


class DeletesTheRightOnesFirst(Wrong):
    caught_by = ("a_receipt_that_the_queue_never_gave_out_is_refused",)

    def delete(self, *many):
        for one in many:
            super().delete(one)


class TakesAnyReceipt(Wrong):
    caught_by = (
        "a_receipt_that_the_queue_never_gave_out_is_refused",
        "what_was_only_looked_at_cannot_be_settled",
    )

    def delete(self, *many):
        with suppress(ReceiptInvalid, NotInFlight, TypeError):
            super().delete(*many)


class KeepsWhatFails(Wrong):
    caught_by = (
        "an_async_with_block_settles_as_a_with_block",
        "a_with_block_that_raises_gives_the_message_back",
    )

    def _give_up(self, *given):
        return True


class Acknowledges(Message):
    def __exit__(self, kind, error, trace):
        self.owner.delete(self)


class DeletesAtTheEndOfEveryBlock(Wrong):
    caught_by = ("a_with_block_leaves_a_settled_message_as_it_is",)
    message = Acknowledges


class Stays(Message):
    def __exit__(self, kind, error, trace):
        pass


class DoesNothingAtTheEndOfABlock(Wrong):
    caught_by = ("a_with_block_acknowledges_at_its_end",)
    message = Stays


class NeverRejects(Wrong):
    caught_by = (
        "a_rejected_message_is_a_dead_letter_at_once",
        "dead_letters_keep_the_order_of_their_group",
        "a_rejected_message_is_gone_without_a_dead_letter_queue",
    )

    def _reject(self, message, failure):
        pass


class Silent(Message):
    def reject(self, reason):
        super().reject(reason or "no reason")


class RejectsWithoutAReason(Wrong):
    caught_by = ("a_reject_must_say_why",)
    message = Silent


class Copies(Message):
    def move(self, to, **given):
        return to.send(self.text)


class CopiesInsteadOfMoving(Wrong):
    caught_by = ("a_moved_message_is_in_the_other_queue_and_not_here",)
    message = Copies


class Hasty(Message):
    def move(self, to, **given):
        self.ack()
        return to.send(self.text)


class AcknowledgesBeforeItMoves(Wrong):
    caught_by = ("a_move_to_a_closed_queue_leaves_the_message",)
    message = Hasty


class KeepsForEver(Wrong):
    caught_by = (
        "a_message_is_gone_after_its_retention",
        "a_message_behind_one_that_outlives_its_retention_comes",
        "a_shorter_retention_holds_for_what_is_stored",
        "a_delayed_message_does_not_outlive_its_retention",
        "settings_out_of_range_are_refused",
    )
    declares = staticmethod(lambda name, settings: (name, settings | {"retention": 1_000_000}))

    def configure(self, **settings):
        settings.pop("retention", None)
        super().configure(**settings)


class ForgetsSoon(Wrong):
    """It keeps what was not received for a moment."""

    caught_by = ("a_message_is_gone_after_its_retention",)

    def receive(self, **given):
        if self.settings["retention"] == 60 and (age := self.stats().oldest_age) is not None and age > 40:
            self.purge()
        return super().receive(**given)


# -- waiting ---------------------------------------------------------------------------------------------------------


class Deaf(AsyncQueue):
    async def receive(self, *, wait=None, **given):
        return await super().receive(wait=0, **given)


class TasksNeverWait(Wrong):
    caught_by = (
        "a_waiting_task_is_given_what_is_sent",
        "a_waiting_task_ends_empty_at_its_deadline",
    )
    face = Deaf


class Blind(AsyncQueue):
    async def receive(self, *, visibility_timeout=None, **given):
        return await super().receive(visibility_timeout=0, **given)


class TasksLeaveVisible(Wrong):
    caught_by = ("tasks_share_a_queue_without_losing_or_doubling",)
    face = Blind


class Lossy(AsyncQueue):
    async def receive(self, **given):
        try:
            return await super().receive(**given)
        except asyncio.CancelledError:
            self._queue.purge()
            raise


class CancelledTasksTakeAMessageAlong(Wrong):
    caught_by = ("a_cancelled_wait_loses_nothing",)
    face = Lossy


class Lazy(AsyncQueue):
    async def purge(self):
        return 0


class TasksDoNotPurge(Wrong):
    caught_by = ("the_awaitable_face_is_the_same_queue",)
    face = Lazy


class Loud(AsyncQueue):
    async def messages(self, wait=20):
        while True:
            for message in await self.receive(wait=wait):
                yield message


class IterationsEndWithAnError(Wrong):
    caught_by = (
        "asynchronous_iteration_gives_every_message_until_the_queue_is_closed",
        "iteration_gives_every_message_until_the_queue_is_closed",
    )
    face = Loud

    def messages(self, wait=20):
        while True:
            yield from self.receive(wait=wait)


class SaysNothingOfItsEnd(Wrong):
    caught_by = ("closing_ends_the_waits_of_threads_and_tasks",)

    def messages(self, wait=20):
        while not self.closed:
            yield from self.receive(wait=wait)

    def receive(self, **given):
        with suppress(QueueClosed):
            return super().receive(**given)
        return []


# -- dead letters ----------------------------------------------------------------------------------------------------


def one_more(name, settings):
    if settings.get("max_receives"):
        settings["max_receives"] += 1
    return name, settings


class AllowsOneReceiveMore(Wrong):
    caught_by = (
        "a_message_is_a_dead_letter_at_the_receive_after_the_last_allowed_one",
        "a_dead_letter_names_the_queue_it_came_from",
        "a_message_received_too_often_says_so",
        "an_expiry_counts_as_a_receive",
    )
    declares = staticmethod(one_more)


class MakesDeadLettersAnew(Wrong):
    caught_by = ("a_dead_letter_keeps_what_it_was",)

    def deliver(self, move):
        record = move.delivery.record
        group = move.delivery.owner._core.group_of(record) if self.fifo else None
        self.send(record[0], group=group)


class StopsWhereItMoves(Wrong):
    caught_by = ("a_receive_passes_over_what_it_moves",)

    def receive(self, **given):
        before = self.stats().moved_out
        batch = super().receive(**given)
        if self.stats().moved_out == before:
            return batch
        for message in batch:
            super().change_visibility(message, 0)
        return []


class ForgetsTheReason(Wrong):
    caught_by = ("a_dead_letter_carries_the_last_error_of_its_handlers",)

    def _give_up(self, message, failure, delay=0):
        return super()._give_up(message, None, delay)

    def _reject(self, message, failure):
        super()._reject(message, failure._replace(text="?"))


def ten(name, settings):
    if settings.get("dead_letter") is not None and settings.get("max_receives") is None:
        settings["max_receives"] = 10
    return name, settings


class AllowsTenReceives(Wrong):
    caught_by = ("a_dead_letter_queue_alone_takes_only_what_is_rejected",)
    declares = staticmethod(ten)


class DropsLargeDeadLetters(Wrong):
    caught_by = ("a_dead_letter_may_be_larger_than_its_new_queue_takes",)

    def deliver(self, move):
        if len(move.delivery.record[0]) <= self.settings["max_message_size"]:
            super().deliver(move)


class KeepsItsMaxReceives(Wrong):
    caught_by = ("changed_max_receives_hold_for_what_is_stored",)

    def configure(self, **settings):
        settings.pop("max_receives", None)
        super().configure(**settings)


class TakesAnyDeclaration(Wrong):
    caught_by = (
        "a_name_means_one_queue",
        "a_dead_letter_queue_must_make_sense",
        "a_name_that_ends_in_fifo_makes_a_fifo_queue",
        "dead_letters_go_to_a_queue_of_the_same_kind",
        "names_are_those_of_sqs",
    )
    lenient = True

    def configure(self, **settings):
        with suppress(*REFUSALS):
            super().configure(**settings)


# -- redrive ---------------------------------------------------------------------------------------------------------


class RedrivesNothing(Wrong):
    caught_by = ("a_redriven_message_is_back_in_the_queue_it_came_from",)

    def redrive(self, to=None, **given):
        return super().redrive(to, where=lambda letter: False)


class RedrivesUnderTheOldIds(Wrong):
    caught_by = ("a_redriven_message_is_a_new_one",)

    def redrive(self, to=None, **given):
        for letter in super().receive(max_messages=100):
            letter.move(to or letter.source)
        return super().redrive(to)


class RedrivesToTheSourceOnly(Wrong):
    caught_by = ("letters_go_to_another_queue_where_one_is_given",)

    def redrive(self, to=None, **given):
        return super().redrive(**given)


class EmptiesWhatItRedrives(Wrong):
    caught_by = ("what_came_from_nowhere_stays",)

    def redrive(self, to=None, **given):
        task = super().redrive(to, **given)
        self.purge()
        return task


class RedrivesWhatIsInFlight(Wrong):
    caught_by = ("letters_in_flight_stay",)

    def redrive(self, to=None, **given):
        for message in list(self._core.leased.values()):
            super().change_visibility(message, 0)
        return super().redrive(to, **given)


class RedrivesAll(Wrong):
    caught_by = (
        "a_redrive_may_keep_the_originals",
        "an_edited_letter_goes_as_it_was_edited",
        "only_those_go_for_which_where_is_true",
        "a_dry_run_moves_nothing",
    )

    def redrive(self, to=None, **given):
        return super().redrive(to)


class TakesAnyDestination(Wrong):
    caught_by = ("a_redrive_to_nowhere_is_refused",)

    def redrive(self, to=None, **given):
        with suppress(ValueError, TypeError):
            return super().redrive(to, **given)


# -- looking ---------------------------------------------------------------------------------------------------------


class Miscounts(Wrong):
    caught_by = (
        "the_stats_say_where_messages_are",
        "visible_counts_what_waits_in_blocked_groups",
    )

    def stats(self):
        stats = super().stats()
        return stats._replace(visible=stats.visible + 1)


class KeepsNoTotals(Wrong):
    caught_by = (
        "the_stats_count_duplicates",
        "the_stats_say_what_has_happened",
        "the_oldest_age_is_since_the_send_of_the_oldest",
    )

    def stats(self):
        return super().stats()._replace(received=0, oldest_age=0, duplicates=0)


class FindsFaults(Wrong):
    caught_by = ("the_books_balance",)

    def check(self):
        raise LawBroken("it does not balance", numbers={})


class ReceivesToPeek(Wrong):
    caught_by = ("a_peek_shows_what_comes_and_takes_nothing",)

    def peek(self, n=10):
        return super().receive(max_messages=n)


class PeeksBackwards(Wrong):
    caught_by = (
        "a_peek_at_a_fifo_queue_shows_the_order_of_each_group",
        "a_redrive_brings_dead_letters_back_to_their_group",
    )

    def peek(self, n=10):
        return super().peek(n)[::-1]


class PurgesWhatIsVisible(Wrong):
    caught_by = ("a_purge_removes_everything",)

    def purge(self):
        batch = super().receive(max_messages=1_000)
        super().delete(*batch)
        return len(batch)


class ClosesWhenPurged(Wrong):
    caught_by = ("a_queue_goes_on_after_a_purge",)

    def purge(self):
        gone = super().purge()
        self.close()
        return gone


class ShowsDefaults(Wrong):
    caught_by = ("a_queue_shows_its_settings",)

    @property
    def settings(self):
        return Queue("defaults", fifo=self.fifo, clock=self.clock).settings


class ConfiguresOneByOne(Wrong):
    caught_by = ("a_wrong_setting_changes_nothing",)

    def configure(self, **settings):
        for name, value in settings.items():
            super().configure(**{name: value})


class IsOneQueueUnderAllNames(Wrong):
    caught_by = ("queues_of_different_names_share_nothing",)
    declares = staticmethod(lambda name, settings: ("the-one.fifo" if name.endswith(".fifo") else "the-one", {}))


# -- closing ---------------------------------------------------------------------------------------------------------


class EmptiesAtTheEnd(Wrong):
    caught_by = (
        "a_reject_after_the_close_reaches_the_dead_letter_queue",
        "what_is_in_flight_can_be_settled_after_the_close",
    )

    def close(self):
        super().close()
        self.purge()


class NeverCloses(Wrong):
    caught_by = ("a_closed_queue_takes_and_gives_no_more",)

    def close(self):
        pass


# -- FIFO ------------------------------------------------------------------------------------------------------------


class IgnoresGroups(Wrong):
    caught_by = ("a_group_is_blocked_while_its_first_message_is_in_flight",)

    def send(self, body, *, group=None, **given):
        return super().send(body, group=group if group is None or not self.fifo else f"{group}{next(NUMBERS)}", **given)


class HasOneGroup(Wrong):
    caught_by = (
        "groups_do_not_block_each_other",
        "any_number_of_groups_is_in_flight_side_by_side",
    )

    def send(self, body, *, group=None, **given):
        return super().send(body, group="g" if self.fifo else group, **given)


class NeverOpensAGroup(Wrong):
    caught_by = (
        "a_group_comes_in_the_order_of_sending",
        "a_group_opens_when_its_first_message_is_deleted",
        "threads_keep_the_order_of_each_group",
    )

    def delete(self, *many):
        super().delete(*many)
        if self.fifo:
            super().receive(visibility_timeout=40_000)


class PutsWhatComesAgainAtTheEnd(Wrong):
    caught_by = ("what_was_given_back_comes_again_before_what_is_behind_it",)

    def receive(self, **given):
        while True:
            batch = super().receive(**given)
            again = [message for message in batch if message.receive_count > 1 and self.fifo]
            for message in again:
                super().delete(message)
                super().send(message.text, group=message.group, deduplication_id=f"d{next(NUMBERS)}")
            if not again:
                return batch


class KeepsItsDelay(Wrong):
    caught_by = ("a_changed_delay_of_a_fifo_queue_holds_for_what_is_stored",)

    def configure(self, **settings):
        settings.pop("delay", None)
        super().configure(**settings)


def never_poison(name, settings):
    return name, settings | ({"on_poison": "block"} if settings.get("max_receives") and name.endswith(".fifo") else {})


class BlocksGroupsForEver(Wrong):
    caught_by = ("a_group_goes_on_after_a_dead_letter",)
    declares = staticmethod(never_poison)


def no_poison(name, settings):
    if settings.pop("on_poison", None):
        settings.pop("max_receives")
    return name, settings


class NeverSetsAside(Wrong):
    caught_by = (
        "a_group_that_keeps_failing_is_set_aside_until_it_is_released",
        "groups_says_what_each_waits_behind",
    )
    declares = staticmethod(no_poison)

    def groups(self):
        return []

    def release(self, group):
        pass


def dead_poison(name, settings):
    if settings.get("on_poison") == "block":
        settings["on_poison"] = "park"
    return name, settings


class SetsAsideInsteadOfBlocking(Wrong):
    caught_by = ("a_group_may_be_blocked_behind_a_message_that_keeps_failing",)
    declares = staticmethod(dead_poison)


class TakesExpiredReceipts(Wrong):
    caught_by = ("an_expired_receipt_deletes_nothing",)

    def delete(self, *many):
        for one in many:
            with suppress(ReceiptExpired):
                super().delete(one)

    def change_visibility(self, one, timeout):
        with suppress(ReceiptExpired):
            super().change_visibility(one, timeout)


class ForgetsExtensions(Wrong):
    caught_by = (
        "an_extension_keeps_the_receipt_good",
        "the_receipt_of_an_earlier_receive_deletes_nothing",
    )

    def delete(self, *many):
        for one in many:
            if self.fifo and self.clock.now() > one.received_at + self.settings["visibility_timeout"] * 1e9:
                raise ReceiptExpired(self.name, receipts=["r"])
        super().delete(*many)


class DeletesNothingIfOneIsLate(Wrong):
    caught_by = ("of_many_receipts_only_the_expired_ones_are_refused",)

    def delete(self, *many):
        for one in many[:1]:
            super().delete(one)
        super().delete(*many[1:])


class IgnoresAttempts(Wrong):
    caught_by = (
        "a_receive_asked_for_again_gives_the_same_messages",
        "an_attempt_is_forgotten_once_its_message_went_on",
    )

    def receive(self, *, attempt_id=None, **given):
        return super().receive(**given)


class TakesAnyAttempt(Wrong):
    caught_by = (
        "another_attempt_is_another_receive",
        "an_attempt_id_is_for_fifo_queues",
    )

    def receive(self, *, attempt_id=None, **given):
        return super().receive(attempt_id="the-one" if attempt_id and self.fifo else None, **given)


# -- deduplication ---------------------------------------------------------------------------------------------------


class NeverDeduplicates(Wrong):
    caught_by = ("a_second_send_with_the_same_id_is_accepted_and_not_enqueued",)

    def send(self, body, *, deduplication_id=None, **given):
        if self.fifo and (deduplication_id or self.settings["content_based_deduplication"]):
            deduplication_id = f"d{next(NUMBERS)}"
        return super().send(body, deduplication_id=deduplication_id, **given)


class DeduplicatesForEver(Wrong):
    caught_by = ("an_id_counts_for_five_minutes_from_the_first_send",)

    def send(self, body, *, deduplication_id=None, **given):
        seen = self.__dict__.setdefault("seen", set())
        if self.fifo and deduplication_id is not None and deduplication_id in seen:
            return Answer()
        seen.add(deduplication_id)
        return super().send(body, deduplication_id=deduplication_id, **given)


class ProlongsTheWindow(Wrong):
    caught_by = ("an_id_counts_for_five_minutes_from_the_first_send",)

    def send(self, body, *, deduplication_id=None, **given):
        last = self.__dict__.setdefault("last", {})
        before, last[deduplication_id] = last.get(deduplication_id), self.clock.now()
        if deduplication_id is not None and before is not None and self.clock.now() - before < 300e9:
            return Answer()
        return super().send(body, deduplication_id=deduplication_id, **given)


class ForgetsIdsAfterFourMinutes(Wrong):
    caught_by = (
        "an_id_counts_to_the_end_of_five_minutes",
        "a_message_has_the_deduplication_id_it_was_sent_with",
    )

    def send(self, body, *, deduplication_id=None, **given):
        if self.fifo and deduplication_id is not None:
            deduplication_id += str(self.clock.now() // 240_000_000_000)
        return super().send(body, deduplication_id=deduplication_id, **given)


class ForgetsIdsOfWhatIsDeleted(Wrong):
    caught_by = ("an_id_counts_after_its_message_was_deleted",)

    def delete(self, *many):
        super().delete(*many)
        if self.fifo:
            self._core.seen.clear()
            self._core.window.clear()


class DeduplicatesByContentOnly(Wrong):
    caught_by = (
        "an_explicit_id_wins_over_the_content",
        "other_ids_are_other_messages",
    )

    def send(self, body, *, deduplication_id=None, **given):
        if self.fifo and deduplication_id is not None:
            deduplication_id = hashlib.sha256(body.encode()).hexdigest()
        return super().send(body, deduplication_id=deduplication_id, **given)


class DeduplicatesByGroup(Wrong):
    caught_by = ("by_default_an_id_counts_for_the_whole_queue",)
    declares = staticmethod(
        lambda name, settings: (
            name,
            settings | ({"deduplication_scope": "messageGroup"} if name.endswith(".fifo") else {}),
        )
    )


def by_queue(name, settings):
    settings.pop("deduplication_scope", None)
    return name, settings


class DeduplicatesByQueue(Wrong):
    caught_by = (
        "an_id_may_count_for_its_group_only",
        "settings_of_fifo_queues_are_refused_elsewhere",
    )
    declares = staticmethod(by_queue)


class HashesWithMD5(Wrong):
    caught_by = ("the_id_made_from_the_content_is_the_sha_256_of_the_body",)

    def send(self, body, *, deduplication_id=None, **given):
        if self.fifo and deduplication_id is None and self.settings["content_based_deduplication"]:
            deduplication_id = hashlib.md5(body.encode()).hexdigest()
        return super().send(body, deduplication_id=deduplication_id, **given)


class CountsAttributesAsContent(Wrong):
    caught_by = ("the_same_body_is_a_duplicate_where_the_content_counts",)

    def send(self, body, *, deduplication_id=None, attributes=None, **given):
        if self.fifo and attributes:
            deduplication_id = hashlib.md5(f"{body}{attributes}".encode()).hexdigest()
        return super().send(body, deduplication_id=deduplication_id, attributes=attributes, **given)


class RemembersIdsWhenPurged(Wrong):
    caught_by = ("a_purge_forgets_the_ids",)

    def purge(self):
        batch = super().receive(max_messages=1_000)
        super().delete(*batch)
        return len(batch)


class MakesUpWhatIsMissing(Wrong):
    caught_by = (
        "a_deduplication_id_is_needed_where_none_is_made",
        "a_group_is_needed",
    )

    def send(self, body, *, group=None, deduplication_id=None, **given):
        if self.fifo:
            group = group or "g"
            if deduplication_id is None and not self.settings["content_based_deduplication"]:
                deduplication_id = f"d{next(NUMBERS)}"
        return super().send(body, group=group, deduplication_id=deduplication_id, **given)


class SharesItsIds(Wrong):
    caught_by = ("ids_of_one_queue_count_in_no_other",)

    def send(self, body, *, deduplication_id=None, **given):
        seen = self._employer.__dict__.setdefault("seen", {})
        if self.fifo and deduplication_id is not None and seen.setdefault(deduplication_id, self) is not self:
            return Answer()
        return super().send(body, deduplication_id=deduplication_id, **given)


class SendsDuplicatesInBatches(Wrong):
    caught_by = ("a_batch_counts_each_id_once",)

    def send_batch(self, entries):
        entries = [
            one._replace(deduplication_id=f"d{next(NUMBERS)}") if isinstance(one, Entry) and one.deduplication_id else one
            for one in entries
        ]  # fmt: skip
        return super().send_batch(entries)


class TakesTenantsByAge(Wrong):
    """A busy tenant's messages come first, because they are older."""

    caught_by = ("a_busy_tenant_does_not_delay_the_others",)

    def _accept(self, entries, words=NOTHING):
        if not self.fifo:
            self._core._group = lambda: None
        return super()._accept(entries, words)
