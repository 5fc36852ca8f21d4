"""pytest's fixtures as users have them: a few runs of pytest in processes of their own, and what they say."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PASSING = """
    import asyncio, threading
    import pytest
    from decouple import Broker, VirtualClock

    def test_the_broker_is_on_the_clock_records_and_has_the_seed(broker, virtual_clock):
        assert broker.clock is virtual_clock
        assert isinstance(virtual_clock, VirtualClock)
        assert (broker.seed, len(broker.recording())) == (0, 0)

    @pytest.mark.parametrize("n", range(3))
    def test_each_test_has_a_world_of_its_own(broker, n):
        assert not broker.queues
        broker.queue("orders")

    def test_what_was_read_or_asserted_is_not_left(broker):
        orders = broker.queue("orders", dead_letter=broker.queue("dead"))
        orders.send("read")
        orders.receive()[0].ack()
        orders.send("poison")
        orders.receive()[0].reject("no")
        broker.queues["dead"].assert_sent("poison")
        orders.send("asserted")
        orders.assert_sent("asserted")

    @pytest.mark.decouple(leftovers="audit")
    def test_queues_that_are_named_may_keep_theirs(broker):
        broker.queue("audit").send("x")

    @pytest.mark.decouple(leftovers=True)
    def test_all_may(broker):
        broker.queue("audit").send("x")
        broker.function(lambda event, context: 1, name="f").send({})

    def test_threads_may_use_it(broker):
        orders = broker.queue("orders")
        threads = [threading.Thread(target=orders.send, args=(str(n),)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert orders.purge() == 4

    @pytest.fixture
    def broker_of_ones_own(broker):
        broker.queue("declared")
        return broker

    def test_fixtures_build_on_it(broker_of_ones_own):
        assert list(broker_of_ones_own.queues) == ["declared"]

    @pytest.fixture
    def charges(async_broker):
        orders = async_broker.queue("orders")

        @orders.consume
        async def charge(message):
            await asyncio.sleep(3_600)
            return message.text

        return charge

    async def test_an_async_test_takes_no_time_and_its_workers_work(async_broker, charges):
        async_broker.queues["orders"].send("order 7")
        [call] = await async_broker.queues["orders"].aio.wait_for(lambda: charges.calls, timeout=7_200)
        assert (call.result, call.seconds) == ("order 7", 3_600)
        assert Broker().clock is async_broker.clock

    async def test_what_is_under_way_at_the_end_is_finished(async_broker, charges):
        async_broker.queues["orders"].send("order 7")
        await asyncio.sleep(1)

    class TestMethods:
        async def test_methods_too(self, async_broker):
            await asyncio.sleep(86_400)
            assert isinstance(self, TestMethods)
"""

FAILING = """
    import asyncio
    import pytest

    def test_left(broker):
        orders = broker.queue("orders")
        for body in ("seen", "forgotten"):
            orders.send(body)
        orders.receive()
        orders.assert_sent("seen")
        broker.topic("events").subscribe(print)
        broker.topic("events").publish("news")
        broker.function(lambda event, context: 1, name="resize").send({})

    @pytest.mark.parametrize("name", ["it's"])
    def test_assertion(broker, name):
        for number in range(5):
            broker.queue("orders").send(f"order {number}")
        assert not name

    def test_names_a_message(broker):
        sent = [broker.queue("orders").send(f"order {number}") for number in range(5)]
        assert not sent[1].id

    def test_law(broker):
        orders = broker.queue("orders")
        orders.send("x")
        for message in orders.receive():
            message.ack()
        broker._recorder(broker.recording().changes[0])  # as if it had been sent twice under one id

    @pytest.mark.decouple(leftover=True)
    def test_wrong_mark(broker):
        pass

    def test_plain(async_broker):
        pass

    async def test_async_assertion(async_broker):
        @async_broker.queue("orders").consume
        async def forever(message):
            await asyncio.Event().wait()

        async_broker.queues["orders"].send("order 7")
        await asyncio.sleep(1)
        assert async_broker is None

    async def test_deadlock(async_broker):
        await asyncio.Event().wait()

    @pytest.mark.xfail(raises=AssertionError, strict=True)
    def test_expected(broker):
        broker.queue("orders").send("x")
"""

# What anyio's and pytest-asyncio's plugins do, as far as it could be in the way: one runs marked tests itself, before others,
# and the other has made plain functions of them by then.
OTHERS = """
    import asyncio, functools, inspect
    import pytest

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(pyfuncitem):
        if pyfuncitem.get_closest_marker("mine") and inspect.iscoroutinefunction(pyfuncitem.obj):
            names = pyfuncitem._fixtureinfo.argnames
            asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
            return True

    def pytest_collection_modifyitems(items):
        for item in items:
            if item.get_closest_marker("wrapped"):
                item.obj = functools.wraps(item.obj)(lambda test=item.obj, **given: asyncio.run(test(**given)))
"""

BESIDE_OTHERS = """
    import asyncio
    import pytest

    def simulated():
        return type(asyncio.get_running_loop()).__name__ == "SimulatedLoop"

    @pytest.mark.mine
    async def test_theirs(broker):
        assert not simulated()

    @pytest.mark.mine
    async def test_ours(async_broker):
        assert simulated()

    @pytest.mark.wrapped
    async def test_wrapped():
        assert not simulated()

    @pytest.mark.wrapped
    async def test_wrapped_ours(async_broker):
        assert simulated()
"""

FAULTY = """
    def test_faults(broker):
        orders = broker.queue("orders")
        orders.send("x")
        broker.clock.advance(60)
        assert len(orders.receive(max_messages=9)) == 1, broker.seed

    async def test_what_a_fault_left_is_not_held_against_the_test(async_broker):
        orders = async_broker.queue("orders")
        orders.send("x")
        orders.receive()[0].ack()
        assert orders.assert_sent("x", count=1)
        assert sum(orders.stats()[:3]) == 1
"""

SUITE = {
    "test_passing.py": PASSING,
    "test_failing.py": FAILING,
    "beside/conftest.py": OTHERS,
    "beside/test_beside.py": BESIDE_OTHERS,
}


def run(home: Path, files: dict[str, str], *options: str) -> str:
    """What pytest says of these files."""
    for name, text in files.items():
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(textwrap.dedent(text))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # other plugins take seconds
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", "-p", "decouple.pytest_plugin"]
    done = subprocess.run([*command, *options], cwd=home, env=environment, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("suite")


@pytest.fixture(scope="module")
def said(home: Path) -> str:
    """What pytest says of the suite above."""
    return run(home, SUITE)


def report(said: str, test: str) -> str:
    """The part of it that is of one failed test."""
    found = re.search(rf"^_+ (?:ERROR at setup of )?{re.escape(test)} _+$(.*?)(?=^_{{5}}|^={{5}})", said, re.M | re.S)
    assert found, said
    return found[1]


# -- what passes -------------------------------------------------------------------------------------------------------


def test_right_programs_pass_whatever_they_read_assert_or_mark(said: str) -> None:
    assert said.count("PASSED test_passing.py::") == 12, said


def test_async_tests_are_simulated_beside_other_plugins_and_those_run_their_own(said: str) -> None:
    assert said.count("PASSED beside/test_beside.py::") == 4, said


def test_the_header_names_seed_and_faults(said: str) -> None:
    assert "decouple: seed 0, faults: none" in said


# -- what fails --------------------------------------------------------------------------------------------------------


def test_what_nobody_has_read_fails_the_test_and_is_listed_and_told(said: str) -> None:
    text = report(said, "test_left")

    assert "AssertionError: the test leaves behind what nobody has read:" in text
    assert re.search(r"queue 'orders': visible, never received: 'forgotten' \(\S{36}\)", text)
    assert re.search(r"queue 'orders': in flight, received once: 'seen' \(\S{36}\)", text)
    assert "topic 'events': 1 not delivered yet to builtins.print" in text
    assert "function 'resize': 1 sent and not seen through yet" in text
    assert "@pytest.mark.decouple(leftovers=True)" in text
    assert re.search(r"^message \S+: 'forgotten'\nnow: visible in queue 'orders'", text, re.M)
    assert "XFAIL test_failing.py::test_expected" in said


def test_a_failure_says_so_where_work_was_due_that_nobody_did(said: str) -> None:
    """A handler is called by run_until_idle(), which is easily forgotten."""
    words = "work is due that nobody has done, such as handling a message: broker.run_until_idle() does it"

    assert words in report(said, "test_left")
    assert words not in report(said, "test_assertion[it's]")
    assert words not in report(said, "test_async_assertion")


def test_a_failed_assertion_is_reported_with_the_messages_touched_last(said: str) -> None:
    text = report(said, "test_assertion[it's]")

    assert re.findall(r"^message \S+: '(.*)'$", text, re.M) == ["order 4", "order 3", "order 2"]


def test_messages_that_the_failure_names_are_told_alone(said: str) -> None:
    text = report(said, "test_names_a_message")

    assert re.findall(r"^message \S+: '(.*)'$", text, re.M) == ["order 1"]


def test_a_broken_law_is_told_once_with_its_story(said: str) -> None:
    text = report(said, "test_law")

    assert re.search(r"LawBroken: message \S+ in queue 'orders' was gone when it was sent: breaches 1, seed 0", text)
    assert text.count("at (UTC)") == 1


def test_an_async_failure_shows_as_itself_though_a_handler_never_ends(said: str) -> None:
    assert "assert async_broker is None" in report(said, "test_async_assertion")
    assert "message" in report(said, "test_async_assertion")
    assert re.search(r"task 'main' waits, at test_failing.py:\d+ in test_deadlock", report(said, "test_deadlock"))


def test_what_is_wrongly_asked_for_is_said_in_a_sentence(said: str) -> None:
    assert report(said, "test_wrong_mark").strip() == (
        "the marker is decouple(leftovers=True), or with names of queues, not decouple(leftover=True)"
    )
    assert (
        report(said, "test_plain")
        .strip()
        .startswith("async_broker is for tests that are async def: a plain one takes broker")
    )


# -- again -------------------------------------------------------------------------------------------------------------


def test_the_command_in_the_report_runs_that_test_again(said: str, home: Path) -> None:
    command = re.findall(r"^again: (.*)$", report(said, "test_assertion[it's]"), re.M)[0]
    assert command.startswith("pytest -p decouple.pytest_plugin ")

    again = run(home, {}, *shlex.split(command)[3:])

    assert "1 failed in" in again
    assert re.search(r"^again: (.*)$", again, re.M)[1] == command  # type: ignore[index]


def test_a_seed_is_drawn_once_also_for_workers_of_xdist_and_the_command_repeats_its_faults(tmp_path: Path) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    faults = "--decouple-faults=duplicate=1, delay=0"
    options = ("-p", "xdist", "-n", "2", "--decouple-seed=random", faults)

    said = run(tmp_path, {"test_one.py": FAULTY, "test_two.py": FAULTY}, *options)

    [seed] = re.findall(r"^decouple: seed (\d+), faults: duplicate=1, delay=0$", said, re.M)
    again = re.findall(r"^again: .*$", said, re.M)
    assert sorted(again) == [
        f"again: pytest -p decouple.pytest_plugin test_{name}.py::test_faults --decouple-seed={seed} '{faults}'"
        for name in ("one", "two")
    ]
    assert said.count("::test_what_a_fault_left_is_not_held_against_the_test\n") == 2  # passed
    assert len(re.findall(rf"^E +AssertionError: {seed}$", said, re.M)) == 2


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--decouple-seed=x", "argument --decouple-seed: it must be a whole number or random, not 'x'"),
        ("--decouple-faults=dup=1", "--decouple-faults: there is no fault 'dup': there are duplicate, reorder"),
        ("--decouple-faults=delay=2", "a rate from 0 to 1, not 'delay=2'"),
    ],
)
def test_a_wrong_option_is_one_sentence(pytester: pytest.Pytester, option: str, sentence: str) -> None:
    result = pytester.runpytest("-p", "decouple.pytest_plugin", option)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in "\n".join(result.errlines)


pytest_plugins = ["pytester"]


def test_the_readmes_test_fails_as_the_readme_shows(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [program] = re.findall(r"```python\n(def test_no_order_is_paid_twice.*?)```", readme, re.DOTALL)
    [shown] = re.findall(r"```\n(E  .*?)```", readme, re.DOTALL)
    shop = {"test_shop.py": program}

    right = run(tmp_path, shop)
    wrong = run(tmp_path, shop, "--decouple-faults", "duplicate=0.2", "--decouple-seed", "1")

    assert "1 passed" in right
    said = [line.strip().replace("pytest -p decouple.pytest_plugin", "pytest") for line in wrong.splitlines()]
    assert [line for line in shown.splitlines() if line != "..." and line.strip() not in said] == []
