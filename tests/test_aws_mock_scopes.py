"""To which mock a call belongs: nested ones, threads, tasks, decorators, and contexts that outlive a mock."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import unittest
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import boto3
import pytest

from decouple.aws import AWS, MockEnded, WhichMock, mock
from decouple.aws.mocking.stage import innermost

pytestmark = pytest.mark.usefixtures("models_kept")

KEYS = {"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "secret", "region_name": "us-east-1"}


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sqs() -> Any:
    """A client made before any mock."""
    return boto3.client("sqs", **KEYS)


def queues(sqs: Any) -> list[str]:
    return [url.rpartition("/")[2] for url in sqs.list_queues().get("QueueUrls", [])]


def in_a_thread(work: Callable[[], Any]) -> Any:
    """The outcome of work in a thread that inherits no context."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(contextvars.Context().run, work).result(10)


# -- one within the other --------------------------------------------------------------------------------------------


def test_the_inner_of_two_mocks_answers_until_it_ends(sqs: Any) -> None:
    with mock():
        sqs.create_queue(QueueName="outer")
        with mock():
            assert queues(sqs) == []
            sqs.create_queue(QueueName="inner")
        assert queues(sqs) == ["outer"]


def test_a_mock_can_be_entered_again_within_itself(sqs: Any) -> None:
    again = mock()
    with again as outer:
        sqs.create_queue(QueueName="outer")
        with again as inner:
            assert inner is not outer
            assert queues(sqs) == []
        assert inner.ended
        assert queues(sqs) == ["outer"]


def test_start_and_stop_are_for_set_ups(sqs: Any) -> None:
    mocked = mock()
    aws = mocked.start()
    sqs.create_queue(QueueName="orders")
    assert list(aws.broker.queues) == ["orders"]

    mocked.stop()
    assert innermost() is None


# -- threads ---------------------------------------------------------------------------------------------------------


def test_a_plain_thread_finds_the_mock_that_is_open(sqs: Any) -> None:
    with mock():
        in_a_thread(lambda: sqs.create_queue(QueueName="from-a-thread"))

        assert queues(sqs) == ["from-a-thread"]


def test_a_plain_thread_finds_the_innermost_mock(sqs: Any) -> None:
    with mock(), mock() as inner:
        in_a_thread(lambda: sqs.create_queue(QueueName="from-a-thread"))

        assert list(inner.broker.queues) == ["from-a-thread"]


def test_a_plain_thread_makes_clients_of_the_mock_that_is_open() -> None:
    with mock() as aws:
        in_a_thread(lambda: boto3.Session(**KEYS).client("sqs").create_queue(QueueName="from-a-thread"))

        assert list(aws.broker.queues) == ["from-a-thread"]


class Beside:
    """A mock that is open in another thread."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1)
        self.mock = mock()

    def __enter__(self) -> AWS:
        return self.pool.submit(self.mock.start).result(10)

    def __exit__(self, *_: object) -> None:
        self.pool.submit(self.mock.stop).result(10)
        self.pool.shutdown()


def test_mocks_of_several_threads_do_not_see_each_other(sqs: Any) -> None:
    met = threading.Barrier(4)

    def test(name: str) -> list[str]:
        with mock():
            sqs.create_queue(QueueName=name)
            met.wait(10)
            return queues(sqs)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(test, "abcd"))

    assert found == [["a"], ["b"], ["c"], ["d"]]


def test_where_two_mocks_are_open_a_plain_thread_belongs_to_that_of_its_client() -> None:
    with Beside() as other, mock() as aws:
        mine = boto3.Session(**KEYS).client("sqs")

        in_a_thread(lambda: mine.create_queue(QueueName="mine"))

        assert list(aws.broker.queues) == ["mine"]
        assert not other.broker.queues


def test_where_two_mocks_are_open_a_plain_thread_with_an_older_client_is_told_so(sqs: Any) -> None:
    with Beside(), mock(), pytest.raises(WhichMock, match=r"any of 2 open mocks.*copy_context\(\)\.run") as caught:
        in_a_thread(sqs.list_queues)

    assert (caught.value.service, caught.value.operation, caught.value.mocks) == ("sqs", "ListQueues", 2)


def test_where_two_mocks_are_open_a_thread_may_inherit_the_context(sqs: Any) -> None:
    with Beside(), mock() as aws:
        thread = threading.Thread(
            target=contextvars.copy_context().run, args=(lambda: sqs.create_queue(QueueName="mine"),)
        )  # fmt: skip
        thread.start()
        thread.join(10)

        assert list(aws.broker.queues) == ["mine"]


def test_a_thread_that_waits_is_told_that_the_mock_has_ended(sqs: Any) -> None:
    with mock(clock="real") as aws, ThreadPoolExecutor(1) as pool:
        url = sqs.create_queue(QueueName="orders")["QueueUrl"]
        waiting = pool.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20)
        while not aws.broker.queues["orders"]._core.parked:
            pass
        aws.end()

        with pytest.raises(MockEnded):
            waiting.result(10)


def test_threads_that_publish_at_once_have_all_been_heard_when_they_end() -> None:
    heard: list[str] = []
    with mock() as aws:
        topic = aws.broker.topic("events")
        topic.subscribe(lambda notification: heard.append(notification.body))
        sns = boto3.client("sns")

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: sns.publish(TopicArn=topic.arn, Message=str(n)), range(100)))

    assert sorted(heard, key=int) == [str(n) for n in range(100)]


def test_a_handler_that_waits_for_threads_of_its_own_is_not_waited_for_by_them() -> None:
    with mock() as aws:
        queue = aws.broker.queue("orders")
        sqs = boto3.client("sqs")
        url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]

        def relay(notification: Any) -> None:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda n: sqs.send_message(QueueUrl=url, MessageBody=f"{n}"), range(4)))

        topic = aws.broker.topic("events")
        topic.subscribe(relay)
        topic.publish("go")
        aws.run()

        assert queue.stats().visible == 4


# -- tasks -----------------------------------------------------------------------------------------------------------


def test_tasks_have_mocks_of_their_own(sqs: Any) -> None:
    async def test(name: str, met: asyncio.Barrier) -> list[str]:
        async with mock():
            sqs.create_queue(QueueName=name)
            await met.wait()
            return queues(sqs)

    async def all_of_them() -> list[list[str]]:
        met = asyncio.Barrier(3)
        return await asyncio.gather(*(test(name, met) for name in "abc"))

    assert asyncio.run(all_of_them()) == [["a"], ["b"], ["c"]]


def test_a_task_of_a_mock_has_that_mock(sqs: Any) -> None:
    async def main() -> None:
        with mock() as aws:
            await asyncio.gather(*(asyncio.to_thread(sqs.create_queue, QueueName=name) for name in "ab"))
            assert sorted(aws.broker.queues) == ["a", "b"]

    with Beside():
        asyncio.run(main())


def test_a_mock_may_be_left_in_another_context_than_it_was_entered_in(sqs: Any) -> None:
    """As an async fixture does whose halves are two tasks."""
    mocked = mock()

    contextvars.copy_context().run(mocked.start)
    sqs.create_queue(QueueName="orders")
    contextvars.copy_context().run(mocked.stop)

    with mock():
        assert queues(sqs) == []


def test_a_context_that_outlives_its_mock_finds_the_next_one(sqs: Any) -> None:
    """As a loop does that was made in an earlier test."""
    with mock():
        context = contextvars.copy_context()

    with mock() as aws:
        context.run(lambda: sqs.create_queue(QueueName="orders"))
        assert list(aws.broker.queues) == ["orders"]


# -- decorators ------------------------------------------------------------------------------------------------------


def test_each_call_of_a_decorated_function_has_a_world_of_its_own(sqs: Any) -> None:
    @mock(region="eu-central-1")
    def work(name: str, *, times: int = 1) -> tuple[list[str], str]:
        """It works."""
        sqs.create_queue(QueueName=name * times)
        aws = innermost()
        assert aws is not None
        return queues(sqs), aws.region

    assert work("a") == (["a"], "eu-central-1")
    assert work("b", times=2) == (["bb"], "eu-central-1")
    assert (work.__name__, work.__doc__) == ("work", "It works.")
    assert innermost() is None


def test_it_decorates_without_brackets_too(sqs: Any) -> None:
    @mock
    def work() -> list[str]:
        sqs.create_queue(QueueName="orders")
        return queues(sqs)

    assert work() == ["orders"]


def test_a_decorated_coroutine_function_has_it_while_it_is_awaited(sqs: Any) -> None:
    @mock()
    async def work(name: str) -> list[str]:
        sqs.create_queue(QueueName=name)
        await asyncio.sleep(0)
        return queues(sqs)

    async def main() -> list[list[str]]:
        return await asyncio.gather(work("a"), work("b"))

    assert asyncio.run(main()) == [["a"], ["b"]]


def test_a_generator_is_refused() -> None:
    def fixture() -> Iterator[None]:
        yield

    async def later() -> Any:
        yield

    for function in (fixture, later):
        with pytest.raises(TypeError, match=r"is a generator.*use `with mock\(\)` in it"):
            mock()(function)


def test_what_is_neither_function_nor_class_is_refused() -> None:
    with pytest.raises(TypeError, match="decorates functions and classes, not 7"):
        mock()(7)  # type: ignore[type-var]


def test_each_test_of_a_unittest_case_has_a_world_of_its_own_with_its_set_up() -> None:
    seen: list[tuple[str, list[str]]] = []

    @mock()
    class Orders(unittest.TestCase):
        def setUp(self) -> None:
            self.sqs = boto3.client("sqs")
            self.sqs.create_queue(QueueName="set-up")

        def test_one(self) -> None:
            self.sqs.create_queue(QueueName="one")

        def test_two(self) -> None:
            self.sqs.create_queue(QueueName="two")

        def tearDown(self) -> None:
            seen.append((self._testMethodName, sorted(queues(self.sqs))))

    result = unittest.TestLoader().loadTestsFromTestCase(Orders).run(unittest.TestResult())

    assert result.wasSuccessful(), result.errors
    assert seen == [("test_one", ["one", "set-up"]), ("test_two", ["set-up", "two"])]


def test_each_test_of_an_asynchronous_unittest_case_has_one_too() -> None:
    seen: list[list[str]] = []

    @mock()
    class Orders(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self) -> None:
            self.sqs = boto3.client("sqs")

        async def test_one(self) -> None:
            self.sqs.create_queue(QueueName="one")
            seen.append(queues(self.sqs))

        async def test_two(self) -> None:
            seen.append(queues(self.sqs))

    result = unittest.TestLoader().loadTestsFromTestCase(Orders).run(unittest.TestResult())

    assert result.wasSuccessful(), result.errors
    assert seen == [["one"], []]


def test_each_test_method_of_another_class_has_a_world_of_its_own(sqs: Any) -> None:
    class Base:
        def test_inherited(self) -> list[str]:
            return queues(sqs)

    @mock()
    class TestOrders(Base):
        tests: ClassVar[list[str]] = []

        def test_one(self) -> list[str]:
            sqs.create_queue(QueueName="one")
            return self.helper()

        async def test_two(self) -> list[str]:
            return self.helper()

        @staticmethod
        def test_static() -> bool:
            return innermost() is None

        def helper(self) -> list[str]:
            return queues(sqs)

    orders = TestOrders()
    assert (orders.test_one(), asyncio.run(orders.test_two()), orders.test_inherited()) == (["one"], [], [])
    assert orders.test_static()


# -- afterwards ------------------------------------------------------------------------------------------------------


def test_nothing_keeps_a_mock_alive_that_has_ended() -> None:
    with mock() as aws:
        sqs = boto3.client("sqs")
        sqs.create_queue(QueueName="orders")
    gone = weakref.ref(aws)

    del aws
    gc.collect()

    assert gone() is None


def test_what_was_in_a_mock_can_be_looked_at_afterwards(sqs: Any) -> None:
    with mock() as aws:
        url = sqs.create_queue(QueueName="orders")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="order 7")

    assert aws.ended
    assert [message.body for message in aws.broker.queues["orders"].peek()] == ["order 7"]
    assert aws.check()["visible"] == 1
