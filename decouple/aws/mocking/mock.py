"""`mock()`: AWS in this process, for the length of a block, of a function, or of each test of a class.

Each entry is a fresh world; nothing is left of it afterwards but what its own objects hold.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

from decouple.arns import REGION, check_account, check_region
from decouple.aws.mocking.beside_moto import remove_bridge
from decouple.aws.mocking.decorating import decorated
from decouple.aws.mocking.environment import default_region, put_back, set_what_is_missing
from decouple.aws.mocking.patching import install
from decouple.aws.mocking.scene import AWS
from decouple.aws.mocking.stage import enter, innermost, is_open, leave
from decouple.aws.world import World
from decouple.clock import Clock, SystemClock, VirtualClock
from decouple.injecting import check_plan
from decouple.numbers import whole

if TYPE_CHECKING:
    from decouple.testing.faults import Faults

__all__ = ["Mock", "mock"]

F = TypeVar("F", bound=Callable[..., Any])
Time: TypeAlias = Literal["virtual", "real"] | Clock

ACCOUNT = "123456789012"


class Mock:
    """What `mock(...)` makes: enter it, with `with`, `async with` or `start`, or decorate with it, as often as you like."""

    def __init__(
        self,
        *,
        clock: Time,
        strict: bool,
        account: str,
        region: str | None,
        passthrough: Iterable[str],
        seed: int | None,
        faults: Faults | None,
        record: int,
    ) -> None:
        if isinstance(passthrough, str):
            raise TypeError(f"passthrough must be names of services, such as [{passthrough!r}], not {passthrough!r}")
        if isinstance(clock, str) and clock not in ("virtual", "real"):
            raise ValueError(f"clock must be 'virtual', 'real' or a Clock, not {clock!r}")
        self._clock: Time = clock
        self._strict = strict
        self._account = check_account(account)
        self._region = None if region is None else check_region(region)
        self._passthrough = frozenset(passthrough)
        self._seed = seed
        self._faults: Faults | None = check_plan(faults)
        self._record = whole(record, "record", 0)
        self._lock = threading.Lock()
        self._entered: list[AWS] = []

    def start(self) -> AWS:
        """Enter it, as `with` does."""
        install()
        region = self._region or default_region() or REGION
        world = World(
            clock=self._time(), account=self._account, region=region, strict=self._strict, seed=self._seed,
            faults=self._faults, record=self._record,
        )  # fmt: skip
        world.maker = "mock"
        scene = AWS(world, passthrough=self._passthrough, outer=innermost())
        if not isinstance(world.clock, VirtualClock):
            world.start()
        set_what_is_missing(scene, region, asked=self._region is not None)
        enter(scene)
        with self._lock:
            self._entered.append(scene)
        return scene

    def stop(self) -> None:
        """Leave what was entered last, in this context if that is known. Raises RuntimeError if nothing was."""
        self._leave().end()

    def _time(self) -> Clock:
        if isinstance(self._clock, str):
            return SystemClock() if self._clock == "real" else VirtualClock(datetime.now(UTC))
        return self._clock

    def _leave(self) -> AWS:
        with self._lock:
            if not self._entered:
                raise RuntimeError("this mock was not entered, so there is nothing to leave")
            own = innermost()
            while own is not None and own not in self._entered:
                own = own.outer
            scene = self._entered[-1] if own is None else own
            self._entered.remove(scene)
        scene.ended = True
        leave(scene)
        put_back(scene)
        if not is_open():
            remove_bridge()
        return scene

    def __enter__(self) -> AWS:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> AWS:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import asyncio  # here, because whoever mocks boto3 alone never needs it

        scene = self._leave()
        await asyncio.to_thread(scene.end)

    def __call__(self, target: F) -> F:
        """Give each call of a function, def or async def, or each test of a class, a world of its own."""
        return decorated(target, self._another)

    def _another(self) -> Mock:
        """The same once more: calls at the same time do not get in each other's way."""
        return Mock(
            clock=self._clock,
            strict=self._strict,
            account=self._account,
            region=self._region,
            passthrough=self._passthrough,
            seed=self._seed,
            faults=self._faults,
            record=self._record,
        )


@overload
def mock(target: F, /) -> F: ...
@overload
def mock(
    *,
    clock: Time = "virtual",
    strict: bool = False,
    account: str = ACCOUNT,
    region: str | None = None,
    passthrough: Iterable[str] = (),
    seed: int | None = None,
    faults: Faults | None = None,
    record: int = 0,
) -> Mock: ...
def mock(
    target: Any = None,
    /,
    *,
    clock: Time = "virtual",
    strict: bool = False,
    account: str = ACCOUNT,
    region: str | None = None,
    passthrough: Iterable[str] = (),
    seed: int | None = None,
    faults: Faults | None = None,
    record: int = 0,
) -> Any:
    """Let every boto3 and aiobotocore client, made before or inside, talk to a fresh world instead of AWS.

    A context manager (`with mock() as aws`, also `async with`) and a decorator of functions, coroutine functions and
    classes of tests. clock: "virtual" stands still at the present moment until `aws.clock.advance(...)`, "real" runs, with
    workers; strict: hold to AWS's rules between services and over minutes, too; account: of clients whose access key is not
    itself one of 12 digits; region: of clients that name none, by default the environment's; passthrough: services, as
    boto3 names them, whose calls are sent; faults: what goes wrong, such as decouple.testing.Faults(duplicate=0.1), the same
    for the same seed; record: how many changes are kept for `aws.explain` and `aws.recording`. Calls of other services
    raise NotMocked; moto's mock_aws() may serve them. Needs the extra `aws`. Raises NotInstalled on entering.
    """
    made = Mock(
        clock=clock, strict=strict, account=account, region=region, passthrough=passthrough, seed=seed, faults=faults,
        record=record,
    )  # fmt: skip
    return made if target is None else made(target)
