"""Topics that are wrong in one thing each, for the conformance kit to catch."""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import Any

from wrong_queues import (
    REFUSALS,
    Answer,
    GivesOneAtATime,
    GivesTheNewestFirst,
    IsOneQueueUnderAllNames,
    NeverWaits,
    WrongWorld,
)
from wrong_queues import Wrong as WrongQueue

from decouple import Publish, Subscription, Topic
from decouple.attributes import Attribute
from decouple.errors import MessageTooLarge, NotDelivered, TopicClosed

NUMBERS = itertools.count(1)


class Wrong(Topic):
    """What a wrong topic may have besides methods: settings it is declared with, its queues and subscriptions.

    caught_by: the behaviours that must fail on it.
    """

    caught_by: tuple[str, ...] = ()

    queues: type[WrongQueue] = WrongQueue
    kind: type[Subscription] = Subscription
    declares = staticmethod(lambda settings: settings)
    lenient = False

    def subscribe(self, target: Any, **terms: Any) -> Any:
        subscription = super().subscribe(target, **terms)
        if subscription.__class__ is Subscription:
            subscription.__class__ = self.kind
        return subscription


def world(kind: type[Wrong]) -> Any:
    return TopicWorld(kind)


class TopicWorld(WrongWorld):
    """A broker whose topics are of that kind."""

    def __init__(self, kind: type[Wrong]) -> None:
        super().__init__(kind.queues)
        self.topics_are = kind

    def topic(self, name: str, **settings: Any) -> Any:
        try:
            topic = super().topic(name, **self.topics_are.declares(dict(settings)))
        except REFUSALS:
            if not self.topics_are.lenient:
                raise
            return self.topics.get(name) or self.topic(f"other{next(NUMBERS)}")
        if topic.__class__ is Topic:
            topic.__class__ = self.topics_are
        return topic


# -- publishing ------------------------------------------------------------------------------------------------------


class ServesTheFirstOnly(Wrong):
    caught_by = ("every_subscribed_queue_has_a_copy",)

    def subscribe(self, target, **terms):
        subscription = super().subscribe(target, **terms)
        if len(self.subscriptions) > 1:
            self._cancel(subscription, "cancelled")
        return subscription


class TellsNewcomersEverything(Wrong):
    caught_by = ("who_subscribes_later_gets_nothing_of_before",)

    def publish(self, body=..., **given):
        self.__dict__.setdefault("past", []).append(body)
        return super().publish(body, **given)

    def subscribe(self, target, **terms):
        subscription = super().subscribe(target, **terms)
        if not self.fifo:
            for body in self.__dict__.get("past", []):
                target.send(body)
        return subscription


class GivesOneId(Wrong):
    caught_by = (
        "every_publication_has_an_id_of_its_own",
        "the_envelope_of_a_fifo_topic_has_the_sequence_number",
    )

    def publish(self, body=..., **given):
        super().publish(body, **given)
        return Answer()


class IsOneQueue(Wrong):
    caught_by = ("copies_are_settled_each_alone",)
    queues = IsOneQueueUnderAllNames


class LetsAQueueHaveOneTopic(Wrong):
    caught_by = ("a_queue_may_have_several_topics",)

    def subscribe(self, target, **terms):
        subscription = super().subscribe(target, **terms)
        if isinstance(target, WrongQueue) and target.__dict__.setdefault("topic", self) is not self:
            self._cancel(subscription, "cancelled")
        return subscription


class PublishesTheWordsOfPython(Wrong):
    caught_by = (
        "a_filter_of_attributes_does_not_look_at_the_body",
        "a_body_that_is_no_json_object_passes_no_filter",
        "a_filter_of_the_body_looks_into_json",
        "what_json_holds_is_published_as_json_text",
    )

    def publish(self, body=..., **given):
        return super().publish(body if isinstance(body, str) or body is ... else str(body), **given)


class DropsSubjects(Wrong):
    caught_by = ("an_envelope_has_subject_and_attributes_where_they_were_given",)

    def publish(self, body=..., *, subject=None, **given):
        return super().publish(body, **given)


class AddsASubject(Wrong):
    caught_by = ("an_envelope_leaves_out_what_was_not_given",)

    def publish(self, body=..., *, subject=None, **given):
        return super().publish(body, subject=subject or "no subject", **given)


class DropsTypesOfAttributes(Wrong):
    caught_by = (
        "a_list_matches_by_any_of_its_elements",
        "attributes_arrive_with_their_types",
    )

    def publish(self, body=..., *, attributes=None, **given):
        if isinstance(attributes, dict):
            attributes = {
                name: one.value if isinstance(one, Attribute) else one if isinstance(one, (int, float)) else f"{one}"
                for name, one in attributes.items()
            }
        return super().publish(body, attributes=attributes, **given)


class DropsGroups(Wrong):
    caught_by = ("the_group_of_a_standard_topic_arrives_as_the_tenant",)

    def publish(self, body=..., *, group=None, **given):
        return super().publish(body, group=group if self.fifo else None, **given)


class DropsSystemAttributes(Wrong):
    caught_by = ("the_trace_header_goes_through",)

    def publish(self, body=..., *, system=None, **given):
        return super().publish(body, **given)


class IgnoresDelays(Wrong):
    caught_by = ("the_delay_of_a_queue_holds_for_what_is_published",)

    def publish(self, body=..., **given):
        for subscription in self.subscriptions:
            if subscription.queue.settings["delay"]:
                return subscription.queue.send(body, delay=0)
        return super().publish(body, **given)


class WakesNobody(Wrong):
    caught_by = ("a_thread_that_waits_at_a_queue_is_given_what_is_published",)
    queues = NeverWaits


class HasOneTextForAll(Wrong):
    caught_by = ("every_protocol_may_have_a_text_of_its_own",)

    def publish(self, body=..., *, per_protocol=None, **given):
        if per_protocol and "default" in per_protocol:
            body = per_protocol["default"]
        return super().publish(body, **given)


class PublishesBodiesOfEntries(Wrong):
    caught_by = ("a_batch_of_publications_answers_for_each_in_order",)

    def publish_batch(self, entries):
        return super().publish_batch([one.body if isinstance(one, Publish) else one for one in list(entries)])


class PublishesTheGoodOnesOfABatch(Wrong):
    caught_by = ("a_wrong_entry_publishes_nothing",)

    def publish_batch(self, entries):
        answers = []
        for one in entries:
            with suppress(*REFUSALS):
                answers += super().publish_batch([one])
        return answers


class SwallowsWhatIsWrong(Wrong):
    caught_by = ("a_wrong_publication_is_refused",)

    def publish(self, body=..., **given):
        try:
            return super().publish(body, **given)
        except (ValueError, TypeError):
            return Answer()


class CutsWhatIsTooLarge(Wrong):
    caught_by = ("a_publication_of_exactly_the_limit_is_taken_and_a_byte_more_is_not",)

    def publish(self, body=..., **given):
        try:
            return super().publish(body, **given)
        except MessageTooLarge:
            return super().publish(body[:100])


class NeverCloses(Wrong):
    caught_by = ("a_closed_topic_publishes_nothing",)

    def close(self):
        pass


class SwallowsItsEnd(Wrong):
    caught_by = ("a_closed_topic_publishes_nothing",)

    def publish(self, body=..., **given):
        with suppress(TopicClosed):
            return super().publish(body, **given)


class TakesAnyDeclaration(Wrong):
    caught_by = ("a_topic_name_means_one_topic",)
    lenient = True


class SwallowsWhatIsNotDelivered(Wrong):
    caught_by = (
        "a_message_too_large_for_one_queue_reaches_the_others",
        "a_queue_that_does_not_take_it_is_named_and_all_others_have_it",
    )

    def publish(self, body=..., **given):
        try:
            return super().publish(body, **given)
        except NotDelivered as error:
            return error.published


# -- envelopes and subscriptions -------------------------------------------------------------------------------------


class NeverWraps(Wrong):
    caught_by = ("an_envelope_says_what_the_message_is",)

    def subscribe(self, target, *, envelope=None, **terms):
        return super().subscribe(target, **terms)


class AlwaysWraps(Wrong):
    caught_by = ("each_subscription_has_the_form_it_asked_for",)

    def subscribe(self, target, *, envelope=None, **terms):
        return super().subscribe(target, envelope=True, **terms)


class TakesTenAttributes(Wrong):
    caught_by = (
        "more_than_ten_attributes_are_refused_by_a_queue_without_an_envelope",
        "an_envelope_has_room_for_any_number_of_attributes",
    )

    def publish(self, body=..., *, attributes=None, **given):
        if isinstance(attributes, dict):
            attributes = dict(list(attributes.items())[:10])
        return super().publish(body, attributes=attributes, **given)


class SubscribesAnew(Wrong):
    caught_by = ("the_same_queue_again_is_the_same_subscription",)

    def subscribe(self, target, **terms):
        if isinstance(target, WrongQueue) and (before := self.subscribed(target)) is not None:
            before.cancel()
        return super().subscribe(target, **terms)


class Lasting(Subscription):
    def cancel(self):
        pass


class NeverCancels(Wrong):
    caught_by = (
        "a_queue_may_subscribe_anew_on_other_terms_after_cancel",
        "after_cancel_nothing_more_is_delivered",
    )
    kind = Lasting


class RemembersTerms(Wrong):
    caught_by = ("other_terms_for_the_same_queue_are_refused",)

    def subscribe(self, target, **terms):
        known = self.__dict__.setdefault("known", {})
        return super().subscribe(
            target, **(known.setdefault(target, terms) if isinstance(target, WrongQueue) else terms)
        )


class FindsNoSubscription(Wrong):
    caught_by = ("a_subscription_is_found_by_its_arn_and_its_target",)

    def subscribed(self, target):
        return None


class Settled(Subscription):
    def configure(self, **terms):
        pass


class KeepsItsTerms(Wrong):
    caught_by = ("changed_terms_hold_for_what_is_published_from_then_on",)
    kind = Settled


class DropsDeadLetters(Wrong):
    caught_by = (
        "what_a_queue_does_not_take_goes_to_the_dead_letter_queue_at_once",
        "what_a_queue_of_envelopes_does_not_take_is_a_dead_letter_in_its_envelope",
    )

    def subscribe(self, target, *, dead_letter=None, **terms):
        return super().subscribe(target, **terms)


class SwallowsWrongSubscriptions(Wrong):
    caught_by = (
        "a_wrong_subscription_is_refused_and_changes_nothing",
        "a_fifo_queue_cannot_subscribe_to_a_standard_topic",
    )

    def subscribe(self, target, **terms):
        with suppress(*REFUSALS):
            return super().subscribe(target, **terms)


class Uncounted(Subscription):
    def stats(self):
        return super().stats()._replace(filtered_out=0)


class Miscounts(Wrong):
    caught_by = ("a_subscription_counts_what_it_was_offered",)
    kind = Uncounted


# -- filters ---------------------------------------------------------------------------------------------------------


class IgnoresFilters(Wrong):
    caught_by = (
        "a_filter_compares_numbers",
        "a_filter_tells_prefixes_and_suffixes",
        "a_filter_tells_what_is_anything_but",
        "a_filter_tells_what_is_there_at_all",
    )

    def subscribe(self, target, *, filter=None, filter_scope="attributes", **terms):
        return super().subscribe(target, **terms)


class TakesAnEmptyFilterForNothing(Wrong):
    caught_by = ("an_empty_filter_lets_everything_pass",)

    def subscribe(self, target, *, filter=None, **terms):
        return super().subscribe(target, filter={"never": ["x"]} if filter == {} else filter, **terms)


class TakesFiltersOfOneKeyOnly(Wrong):
    caught_by = (
        "a_filter_takes_all_of_its_keys_and_any_of_their_values",
        "alternatives_are_one_or_the_other",
    )

    def subscribe(self, target, *, filter=None, **terms):
        return super().subscribe(target, filter=filter and dict(list(filter.items())[:1]), **terms)


class TakesWrongFilters(Wrong):
    caught_by = ("a_wrong_filter_is_refused_and_changes_nothing",)

    def subscribe(self, target, *, filter=None, **terms):
        with suppress(ValueError):
            return super().subscribe(target, filter=filter, **terms)
        return super().subscribe(target, **terms)


class ExplainsTheOpposite(Subscription):
    def explain(self, message):
        found = super().explain(message)
        return found._replace(matched=not found.matched)


class Misleads(Wrong):
    caught_by = ("a_subscription_explains_why_a_message_passes_or_not",)
    kind = ExplainsTheOpposite


# -- FIFO topics -----------------------------------------------------------------------------------------------------


class GivesTheNewest(Wrong):
    caught_by = (
        "each_group_is_delivered_in_the_order_of_publishing",
        "filters_hold_for_fifo_topics",
    )
    queues = GivesTheNewestFirst


class HasOneGroup(Wrong):
    caught_by = ("a_copy_has_the_group_and_deduplication_id_of_the_publication",)

    def publish(self, body=..., *, group=None, **given):
        return super().publish(body, group="g" if self.fifo and group else group, **given)


class GivesStandardQueuesGroups(Wrong):
    caught_by = ("a_standard_queue_at_a_fifo_topic_gets_no_group",)

    def publish(self, body=..., **given):
        for subscription in self.subscriptions:
            if self.fifo and not subscription.queue.fifo and not subscription.envelope and "group" in given:
                return subscription.queue.send(body, group=given["group"])
        return super().publish(body, **given)


class MakesUpWhatIsMissing(Wrong):
    caught_by = ("a_publication_to_a_fifo_topic_needs_a_group_and_an_id",)

    def publish(self, body=..., *, group=None, deduplication_id=None, **given):
        if self.fifo:
            group = group or "g"
            if not self.content_based_deduplication:
                deduplication_id = deduplication_id or f"d{next(NUMBERS)}"
        return super().publish(body, group=group, deduplication_id=deduplication_id, **given)


class NeverDeduplicates(Wrong):
    caught_by = (
        "a_second_publication_with_the_same_id_is_accepted_and_not_delivered",
        "a_topic_may_make_the_id_of_the_content",
    )

    def publish(self, body=..., *, deduplication_id=None, **given):
        if self.fifo and (deduplication_id or self.content_based_deduplication):
            deduplication_id = f"d{next(NUMBERS)}"
        return super().publish(body, deduplication_id=deduplication_id, **given)


class DeduplicatesForEver(Wrong):
    caught_by = ("the_id_of_a_publication_counts_for_five_minutes",)

    def publish(self, body=..., *, deduplication_id=None, **given):
        seen = self.__dict__.setdefault("seen", set())
        if deduplication_id is not None and deduplication_id in seen:
            return Answer()
        seen.add(deduplication_id)
        return super().publish(body, deduplication_id=deduplication_id, **given)


def by_topic(settings):
    settings.pop("deduplication_scope", None)
    return settings


class DeduplicatesByTopic(Wrong):
    caught_by = ("the_id_of_a_publication_may_count_for_its_group_only",)
    declares = staticmethod(by_topic)


class ReplaysNothing(Wrong):
    caught_by = ("an_archive_is_replayed_before_anything_new",)

    def subscribe(self, target, *, replay_from=None, replay_until=None, **terms):
        return super().subscribe(target, **terms)


class ReplaysWithoutAnEnd(Wrong):
    caught_by = ("a_replay_may_end",)

    def subscribe(self, target, *, replay_until=None, **terms):
        return super().subscribe(target, **terms)


class ReplaysWithoutAnArchive(Wrong):
    caught_by = ("a_replay_needs_an_archive",)

    def subscribe(self, target, **terms):
        with suppress(ValueError):
            return super().subscribe(target, **terms)
        terms.pop("replay_from", None)
        return super().subscribe(target, **terms)


class GivesNoOrder(Wrong):
    """Each publication gets a group of its own."""

    caught_by = ("the_dead_letters_of_a_fifo_topic_keep_their_order",)
    queues = GivesOneAtATime

    def publish(self, body=..., *, group=None, **given):
        return super().publish(body, group=f"{group}{next(NUMBERS)}" if group and self.fifo else group, **given)
