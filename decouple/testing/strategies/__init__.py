"""Hypothesis strategies for what programs hand to decouple: all of it is accepted by the doors of the library.

    from hypothesis import given
    from decouple.testing import strategies

    @given(strategies.messages())
    def test_any_order_is_billed(message):
        queue.send(**message)

Texts have only the characters that SQS takes, so what is drawn goes through the AWS doors, too. Everything shrinks to the
simplest of its kind: the body "0", no attributes, the empty policy, rate(1 minute).
"""

try:
    import hypothesis as hypothesis
except ModuleNotFoundError as error:
    from decouple.errors import NotInstalled

    raise NotInstalled(
        "hypothesis", purpose="decouple.testing.strategies", install="pip install 'decouple-messaging[hypothesis]'"
    ) from error

from decouple.testing.strategies.cases import FilterCase, filter_cases, filtered_out, passing
from decouple.testing.strategies.contents import attributes, bodies, entries, groups, messages, publications, texts
from decouple.testing.strategies.grammar import filter_policies
from decouple.testing.strategies.plans import fault_plans
from decouple.testing.strategies.queues import queue_settings
from decouple.testing.strategies.times import schedules

__all__ = [
    "FilterCase",
    "attributes",
    "bodies",
    "entries",
    "fault_plans",
    "filter_cases",
    "filter_policies",
    "filtered_out",
    "groups",
    "messages",
    "passing",
    "publications",
    "queue_settings",
    "schedules",
    "texts",
]
