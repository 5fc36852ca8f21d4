"""pytest's fixtures: a `virtual_clock`, a `broker` on it, an `async_broker` in a simulation; `aws` and boto3 clients of it.

A test that asks for `broker` or `async_broker` also fails if at its end a law is broken or something is left unread:

    def test_an_order_is_shipped(broker): ...
    async def test_orders_are_shipped(async_broker): ...            # in virtual time, whatever other plugins there are
    @pytest.mark.decouple(leftovers=["audit"])                      # what may be left; True: anything

`--decouple-seed` and `--decouple-faults` are for these two and for `aws`, where the laws hold, too. Where one of them fails,
the report says how to run it again, and has the stories of the messages involved. Nothing is shared between two tests. A
fixture of yours with the same name takes the place of ours, and may build on it; one called `aws` that opens `mock(...)`
with settings of its own serves the clients here, too. Async fixtures run in the loop of the plugin they are of, not in the
simulation: let yours be plain.

pytest imports its plugins at every start, also for tests that use none of them, so all else is loaded by the first fixture.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Collection, Generator, Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest

if TYPE_CHECKING:
    from decouple import Broker, VirtualClock
    from decouple.aws import AWS
    from decouple.testing.faults import Faults
    from decouple.testing.worlds import AsyncWorld, Mocked, World

__all__ = ["async_broker", "aws", "aws_lambda", "broker", "sns", "sqs", "virtual_clock"]


# -- the run -----------------------------------------------------------------------------------------------------------


class Run(NamedTuple):
    """What holds for all tests of a run. text: of the faults, as they were given."""

    seed: int
    faults: Faults | None
    text: str


RUN = pytest.StashKey[Run]()
WORLDS = pytest.StashKey[dict[str, "World | Mocked"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Seed and faults of all brokers of the fixtures."""
    group = parser.getgroup("decouple")
    group.addoption(
        "--decouple-seed",
        type=read_seed,
        default=0,
        metavar="SEED",
        help="what all chance in `broker` and `async_broker` begins with: a number (0), or random for a new one",
    )
    group.addoption(
        "--decouple-faults",
        default="",
        metavar="FAULTS",
        help="what goes wrong there, by rates: 'duplicate=0.1, crash=0.05', as decouple.testing.Faults names them",
    )


def read_seed(text: str) -> int | Literal["random"]:
    """Raises ArgumentTypeError."""
    from argparse import ArgumentTypeError

    try:
        return "random" if text == "random" else int(text)
    except ValueError:
        raise ArgumentTypeError(f"it must be a whole number or random, not {text!r}") from None


def pytest_configure(config: pytest.Config) -> None:
    """Read the options; a random seed is drawn here, once."""
    config.addinivalue_line(
        "markers", "decouple(leftovers): names of queues that may keep messages at the end of the test, or True for all"
    )
    handed: dict[str, Any] = getattr(config, "workerinput", {})
    seed: Any = handed.get("decouple_seed", config.getoption("--decouple-seed"))
    text: str = config.getoption("--decouple-faults") or ""
    if seed == "random":
        seed = int.from_bytes(os.urandom(4))
    config.stash[RUN] = Run(seed, read_faults(text) if text else None, text)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand the seed to a worker of pytest-xdist, which is given the options as they were typed."""
    node.workerinput["decouple_seed"] = node.config.stash[RUN].seed


def read_faults(text: str) -> Faults:
    from decouple.testing.faults import Faults

    try:
        return Faults.parse(text)
    except ValueError as error:
        raise pytest.UsageError(f"--decouple-faults: {error}") from error


def pytest_report_header(config: pytest.Config) -> str:
    """Which seed, which faults."""
    run = config.stash[RUN]
    return f"decouple: seed {run.seed}, faults: {run.text or 'none'}"


# -- a test ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """Time that stands still from 2026-01-01 on until the test moves it, or waits."""
    from decouple import VirtualClock

    return VirtualClock()


@pytest.fixture
def broker(request: pytest.FixtureRequest, virtual_clock: VirtualClock) -> Iterator[Broker]:
    """A broker of this test's own on `virtual_clock`, which records, with the run's seed and faults."""
    from decouple.testing.worlds import World

    run = request.config.stash[RUN]
    world = World(virtual_clock, seed=run.seed, faults=run.faults, leftovers=allowed(request.node))
    enter(request.node, "broker", world)
    with world.broker as broker:
        yield broker


@pytest.fixture
def async_broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A broker in a simulation of this test's own, an `async def`, which runs there; started before it, closed after it.

    What the test makes without a clock takes the simulation's. It records, with the run's seed and faults.
    """
    from decouple.testing.worlds import AsyncWorld

    run = request.config.stash[RUN]
    world = AsyncWorld(seed=run.seed, faults=run.faults, leftovers=allowed(request.node))
    enter(request.node, "async_broker", world)
    yield world.broker
    world.simulation.close()


def enter(item: pytest.Item, name: str, world: World | Mocked) -> None:
    """Let the hooks below know of it."""
    item.stash.setdefault(WORLDS, {})[name] = world


def worlds(item: pytest.Item) -> dict[str, World | Mocked]:
    """Those of a test by the names of their fixtures."""
    nobody: dict[str, World | Mocked] = {}
    return item.stash.get(WORLDS, nobody)


def allowed(item: pytest.Item) -> bool | Collection[str]:
    """What may be left, by the marker."""
    marker = item.get_closest_marker("decouple")
    if marker is None:
        return ()
    if not marker.args and set(marker.kwargs) == {"leftovers"}:
        given: Any = marker.kwargs["leftovers"]
        names: Any = [given] if isinstance(given, str) else given
        if isinstance(given, bool) or (isinstance(given, Collection) and all(isinstance(one, str) for one in names)):
            return given if isinstance(given, bool) else list(names)
    words = ", ".join([*map(repr, marker.args), *(f"{name}={value!r}" for name, value in marker.kwargs.items())])
    pytest.fail(
        f"the marker is decouple(leftovers=True), or with names of queues, not decouple({words})", pytrace=False
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let go of what was recorded, for items live as long as the run."""
    try:
        return (yield)
    finally:
        if WORLDS in item.stash:
            del item.stash[WORLDS]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Look at the end of the test, before the fixtures are torn down: what is wrong then is a failure of the test."""
    __tracebackhide__ = True
    answer = yield
    for world in worlds(item).values():
        world.check()
    return answer


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Run an async test that asks for `async_broker`, in its simulation; to all other plugins it is a plain function."""
    __tracebackhide__ = True
    world: Any = worlds(pyfuncitem).get("async_broker")
    if world is None:
        return (yield)
    original = pyfuncitem.obj
    pyfuncitem.obj = simulated(world, original)
    try:
        return (yield)
    finally:
        pyfuncitem.obj = original


def simulated(world: AsyncWorld, test: Callable[..., Any]) -> Callable[..., None]:
    """A plain function that runs the test in that world."""
    from inspect import iscoroutinefunction

    function: Any = test
    while not iscoroutinefunction(function):  # another plugin may have made a plain one of it already
        function = getattr(function, "__wrapped__", None)
        if function is None:
            pytest.fail("async_broker is for tests that are async def: a plain one takes broker", pytrace=False)

    def run(**arguments: Any) -> None:
        __tracebackhide__ = True
        world.run(lambda: function(**arguments))

    return run


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say how to run a failed test again, and what became of its messages."""
    report = yield
    if report.failed:
        about = () if call.excinfo is None else getattr(call.excinfo.value, "about", ())
        told: list[str] = []
        for world in worlds(item).values():
            told += [*world.undone, *world.stories(report.longreprtext, about)]
        if worlds(item):
            report.sections.append(("decouple", "\n\n".join([again(item), *told])))
    return report


def again(item: pytest.Item) -> str:
    """Seed, faults and a command for the shell, to be given where this run was begun."""
    config = item.config
    run = config.stash[RUN]
    _, *names = item.nodeid.split("::", 1)
    path = os.path.relpath(item.path, config.invocation_params.dir)
    ours = ["-p", __name__] if __name__ in config.option.plugins else []
    words = ["pytest", *ours, "::".join([path, *names]), f"--decouple-seed={run.seed}"]
    words += [f"--decouple-faults={run.text}"] if run.text else []
    return f"seed {run.seed}, faults: {run.text or 'none'}\nagain: {shlex.join(words)}"


# -- AWS in the process ------------------------------------------------------------------------------------------------


@pytest.fixture
def aws(request: pytest.FixtureRequest) -> Iterator[AWS]:
    """A world of its own for this test, on a clock that stands still, with the run's seed and faults: see decouple.aws.mock."""
    from decouple.aws import mock  # here and below, because most tests need none of it
    from decouple.testing.worlds import RECORDED, Mocked

    run = request.config.stash[RUN]
    with mock(seed=run.seed, faults=run.faults, record=RECORDED) as aws:
        enter(request.node, "aws", Mocked(aws))
        yield aws


@pytest.fixture
def sqs(aws: AWS) -> Any:
    """A boto3 client for SQS in that world."""
    return client(aws, "sqs")


@pytest.fixture
def sns(aws: AWS) -> Any:
    """A boto3 client for SNS in that world."""
    return client(aws, "sns")


@pytest.fixture
def aws_lambda(aws: AWS) -> Any:
    """A boto3 client for Lambda in that world."""
    return client(aws, "lambda")


def client(aws: object, service: str) -> Any:
    """A client in the world's region. Raises TypeError if the fixture `aws` is somebody else's."""
    from importlib import import_module

    from decouple.aws import AWS

    if not isinstance(aws, AWS):
        raise TypeError(
            f"the fixture aws is not decouple's but {aws!r:.80}: let it yield from `with decouple.aws.mock()`, "
            f"or make a client of your own there"
        )
    return import_module("boto3").client(service, region_name=aws.region)
