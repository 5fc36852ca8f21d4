"""The machines beneath the guards: a bucket that is exact, a breaker that agrees with the naive one."""

from __future__ import annotations

from collections import deque
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from decouple.core.breaker import Breaker, Limits, State, Visit
from decouple.core.bucket import Bucket

SECOND = 10**9

# -- the bucket ------------------------------------------------------------------------------------------------------


def test_a_bucket_gives_its_burst_at_once_and_then_a_token_each_interval() -> None:
    bucket = Bucket(4, 2, now=0)

    assert [bucket.take(0) for _ in range(3)] == [True, True, False]
    assert [bucket.ready_at(0, ahead) for ahead in range(3)] == [SECOND // 4, SECOND // 2, SECOND * 3 // 4]

    assert not bucket.take(SECOND // 4 - 1)
    assert bucket.take(SECOND // 4)
    assert bucket.tokens(100 * SECOND) == 2


def test_a_third_of_a_token_a_second_does_not_drift() -> None:
    bucket = Bucket(1 / 3, 1, now=0)
    now = taken = 0

    while now < 3_000_000 * SECOND and taken < 100_000:
        assert bucket.take(now)
        taken += 1
        now = bucket.ready_at(now)

    assert abs(now - 300_000 * SECOND) <= 1_000_000  # 100,000 roundings to a nanosecond, each up


@given(
    rate=st.one_of(st.integers(1, 10**9), st.floats(1e-6, 1e9)),
    burst=st.integers(1, 50),
    steps=st.lists(st.integers(0, 5 * SECOND), max_size=60),
)
def test_a_bucket_agrees_with_fractions_and_never_gives_more_than_burst_and_rate_allow(
    rate: float, burst: int, steps: list[int]
) -> None:
    bucket, level, now, taken = Bucket(rate, burst, now=0), Fraction(burst), 0, list[int]()

    for step in steps:
        now += step
        level = min(Fraction(burst), level + Fraction(rate) * step / SECOND)
        assert bucket.take(now) == (level >= 1)
        if level >= 1:
            level -= 1
            taken.append(now)
        ready = bucket.ready_at(now)
        assert level + Fraction(rate) * (ready - now) / SECOND >= 1
        assert ready == now or level + Fraction(rate) * (ready - now - 1) / SECOND < 1

    for first, at in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= burst + Fraction(rate) * (taken[last] - at) / SECOND


def test_time_that_stands_still_or_an_older_reading_adds_nothing() -> None:
    bucket = Bucket(1, 1, now=100)

    assert bucket.take(100)
    assert not bucket.take(100)
    assert not bucket.take(0)
    assert bucket.ready_at(0) <= 100 + SECOND


# -- the breaker -----------------------------------------------------------------------------------------------------


class Naive:
    """A breaker that keeps everything that ever happened, and looks at all of it each time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.state: State = "closed"
        self.era = 0
        self.until = 0
        self.ended: list[tuple[bool, bool]] = []
        self.out = 0

    def turn(self, state: State, now: int) -> None:
        self.state, self.ended, self.out = state, [], 0
        self.era += 1
        self.until = now + self.limits.open_for

    def settle(self, now: int) -> None:
        if self.state == "open" and now >= self.until:
            self.turn("half-open", now)

    def admit(self, now: int) -> int | None:
        self.settle(now)
        if self.state == "open":
            return None
        if self.state == "half-open" and self.out + len(self.ended) >= self.limits.half_open_calls:
            return None
        self.out += 1
        return self.era

    def end(self, era: int, began: int, now: int, failed: bool | None) -> None:
        if failed is not None:
            self.settle(now)
        if era != self.era:
            return
        self.out -= 1
        if failed is None:
            return
        slow = self.limits.slow_call is not None and now - began >= self.limits.slow_call
        self.ended.append((failed, slow))
        half = self.state == "half-open"
        known = self.ended if half else self.ended[-self.limits.window :]
        if len(known) < (self.limits.half_open_calls if half else self.limits.minimum_calls):
            return
        bad = sum(failed for failed, _ in known) / len(known) >= self.limits.failure_rate
        lame = self.limits.slow_call is not None and (
            sum(slow for _, slow in known) / len(known) >= self.limits.slow_rate
        )
        if bad or lame:
            self.turn("open", now)
        elif half:
            self.turn("closed", now)


@st.composite
def some_limits(draw: st.DrawFn) -> Limits:
    window = draw(st.integers(1, 8))
    rate = st.sampled_from([0.1, 0.3, 0.5, 0.7, 1.0])
    return Limits(
        draw(rate),
        window,
        draw(st.integers(1, window)),
        draw(st.none() | st.integers(1, 5)),
        draw(rate),
        draw(st.integers(1, 10)),
        draw(st.integers(1, 4)),
    )


@given(
    limits=some_limits(),
    steps=st.lists(
        st.tuples(st.sampled_from(["begin", "begin", "ok", "fail", "cancel"]), st.integers(0, 6), st.integers(0, 9)),
        max_size=120,
    ),
)
def test_a_breaker_agrees_with_one_that_keeps_everything(limits: Limits, steps: list[tuple[str, int, int]]) -> None:
    turns: list[State] = []
    breaker, naive, now = Breaker(limits, lambda state, at, why: turns.append(state)), Naive(limits), 0
    out: deque[tuple[Visit, int, int]] = deque()

    for what, pause, which in steps:
        now += pause
        if what == "begin":
            visit = Visit()
            era = naive.admit(now)
            assert breaker.admit(visit, now) == (era is not None)
            if era is not None:
                out.append((visit, era, now))
        elif out:
            out.rotate(-which)
            visit, era, began = out.popleft()
            if what == "cancel":
                breaker.probes.pop(visit, None)
                naive.end(era, began, now, None)
            else:
                breaker.judge(visit, now, failed=what == "fail")
                naive.end(era, began, now, what == "fail")
        assert (breaker.state, len(turns)) == (naive.state, naive.era)
        if breaker.state == "half-open":
            assert len(breaker.probes) == naive.out <= limits.half_open_calls
        assert (breaker.failed, breaker.slow) == (
            sum(one & 1 for one in breaker.window),
            sum(one >> 1 for one in breaker.window),
        )


def test_seven_of_ten_is_a_rate_of_0_7() -> None:
    """0.7 * 10 is 7.000000000000001, so a product would ask for eight."""
    breaker = Breaker(Limits(0.7, 10, 10, None, 1.0, SECOND, 1), lambda *_: None)

    for failed in [False] * 3 + [True] * 7:
        visit = Visit()
        assert breaker.admit(visit, 0)
        breaker.judge(visit, 0, failed=failed)

    assert breaker.state == "open"
