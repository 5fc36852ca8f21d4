"""A recording of a broker: saved, loaded, explained from the file, and compared with another run."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from decouple import Attribute, Broker, InvalidRecording, Recording
from decouple.testing import Ledger, VirtualClock


def run(seed: int | None = 7, *, amount: str = "5", times: int = 2) -> Broker:
    """A small program: a publication, its copies, a dead letter and its redrive, in a FIFO queue, too."""
    clock = VirtualClock()
    broker = Broker(clock=clock, record=1_000, seed=seed)
    dead = broker.queue("dead")
    orders = broker.queue("orders", dead_letter=dead, max_receives=1)
    events = broker.topic("events")
    events.subscribe(orders, filter={"type": ["paid"]}, envelope=True)
    attributes: dict[str, Any] = {
        "type": "paid",
        "n": 1,
        "share": 0.5,
        "sum": Decimal("1.10"),
        "raw": b"\0",
        "tags": [1],
        "own": Attribute("Number.cents", "007"),
    }
    events.publish({"amount": amount}, subject="news", attributes=attributes)
    for _ in range(times):
        clock.advance(1)
        orders.receive()[0].nack()
        orders.receive()
        dead.redrive()
    entries = broker.queue("entries.fifo")
    entries.send("x", group="g", deduplication_id="1")
    entries.send("x", group="g", deduplication_id="1")
    entries.send("y", group="g", deduplication_id="2", attributes={"n": 1})
    broker.schedule("rate(1 hour)", entries, payload="tick", group="h", name="hourly")
    clock.advance(10)
    return broker


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run.jsonl"


def test_what_is_saved_is_loaded_again_change_by_change(file: Path) -> None:
    recording = run().recording()
    recording.save(file)

    again = Recording.load(file)

    assert not recording.diff(again)
    assert [change.attributes for change in again.changes] == [change.attributes for change in recording.changes]
    assert [change[:7] for change in again.changes] == [
        change._replace(record=record)[:7]
        for change, record in zip(recording.changes, (one.record for one in again.changes), strict=True)
    ]
    assert (again.seed, again.started, again.ended, again.most, again.dropped, again.whole) == (
        7,
        recording.started,
        recording.started + 12_000_000_000,
        1_000,
        0,
        True,
    )
    assert str(again.started_at) == "2026-01-01 00:00:00+00:00"


def test_a_story_can_be_told_from_the_file(file: Path) -> None:
    broker = run()
    recording = broker.recording()
    recording.save(file)
    [published] = [change for change in recording.changes if change.cause == "published"]
    assert published.id is not None

    assert str(Recording.load(file).explain(published.id)) == str(broker.explain(published.id))


def test_the_file_is_json_lines_with_a_version_in_its_header(file: Path) -> None:
    recording = run().recording()
    recording.save(file)

    header, *changes = map(json.loads, file.read_text(encoding="utf-8").splitlines())

    assert (header["kind"], header["version"], header["seed"]) == ("decouple recording", 1, 7)
    assert [change["cause"] for change in changes] == [change.cause for change in recording.changes]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1: it is no JSON"),
        ("[]", "line 1: it is not a JSON object"),
        ('{"kind": "other"}', "line 1: it does not begin as a recording does"),
        (
            '{"kind": "decouple recording", "version": 2}',
            "it is of version 2, and this release reads version 1: record it again",
        ),
        ('{"kind": "decouple recording", "version": 1}', "KeyError"),
    ],
    ids=["empty", "a list", "another kind", "another version", "half a header"],
)
def test_what_is_no_recording_is_refused_with_one_sentence(file: Path, text: str, why: str) -> None:
    file.write_text(text, encoding="utf-8")

    with pytest.raises(InvalidRecording, match=why) as caught:
        Recording.load(file)
    assert caught.value.path == str(file)


def test_a_file_whose_last_lines_are_missing_is_refused(file: Path) -> None:
    recording = run().recording()
    recording.save(file)
    kept = file.read_text(encoding="utf-8").splitlines(keepends=True)[:-2]
    file.write_text("".join(kept), encoding="utf-8")

    size = len(recording)
    with pytest.raises(InvalidRecording, match=f"it has {size - 2} of {size} changes: it was cut, or added to"):
        Recording.load(file)


def test_a_change_of_which_nobody_knows_is_refused(file: Path) -> None:
    run().recording().save(file)
    file.write_text(file.read_text(encoding="utf-8").replace('"cause": "sent"', '"cause": "snet"'), encoding="utf-8")

    with pytest.raises(InvalidRecording, match="nothing changes by 'snet'"):
        Recording.load(file)


def test_a_recording_differs_from_recordings_only() -> None:
    with pytest.raises(TypeError, match=r"a recording differs from another Recording, not from 'run\.jsonl'"):
        run().recording().diff("run.jsonl")  # type: ignore[arg-type]


def test_a_damaged_line_is_named(file: Path) -> None:
    run().recording().save(file)
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([*lines[:4], lines[4][:9], *lines[5:]]), encoding="utf-8")

    with pytest.raises(InvalidRecording, match="line 5: it is no JSON"):
        Recording.load(file)


# -- comparing -----------------------------------------------------------------------------------------------------------


def test_two_runs_of_one_program_are_the_same_though_their_ids_differ() -> None:
    """Also the ids within SNS's envelopes and in the reasons of duplicates."""
    one, other = run().recording(), run().recording()

    difference = one.diff(other)

    assert not difference
    assert str(difference) == f"the same: {len(one)} changes"
    assert {change.id for change in one.changes if change.id}.isdisjoint(change.id for change in other.changes)


def test_the_first_difference_is_shown_with_what_differs() -> None:
    difference = run().recording().diff(run(amount="6").recording())

    assert difference.at is not None
    assert difference.here is not None
    assert difference.there is not None
    assert ("5" in difference.here, "6" in difference.there) == (True, True)
    assert str(difference).splitlines()[0] == f"the first {difference.at} changes are the same, then"


def test_what_happened_more_or_less_often_is_counted() -> None:
    difference = run(times=1).recording().diff(run().recording(), times=False)

    counts = {what: (here, there) for what, here, there in difference.counts}
    assert counts["received in queue orders"] == (1, 2)
    assert counts["moved in in queue dead"] == (1, 2)
    assert "sent in queue orders" not in counts


def test_a_run_that_ended_earlier_says_so() -> None:
    one = run().recording()
    shorter = Recording(one.changes[:3], started=one.started)

    assert str(shorter.diff(one)).splitlines()[1] == "  here:  the end"


@pytest.mark.parametrize(("times", "differs"), [(True, True), (False, False)], ids=["with times", "without"])
def test_instants_count_unless_they_are_left_out(clock: VirtualClock, times: bool, differs: bool) -> None:
    def sent(at: float) -> Recording:
        clock = VirtualClock()
        broker = Broker(clock=clock, record=10)
        clock.advance(at)
        broker.queue("orders").send("x")
        return broker.recording()

    assert bool(sent(0).diff(sent(1), times=times)) is differs


def test_a_ledger_is_a_recorder_too(broker: Broker, ledger: Ledger) -> None:
    sent = broker.queue("orders").send("x")

    recording = ledger.recording(seed=3)

    assert (len(recording), recording.seed, recording.whole) == (1, 3, True)
    assert recording.explain(sent.id).now == ("visible in queue 'orders' since 00:00:00.000",)
    assert repr(recording) == "<Recording: 1 changes in 0 s, 0 dropped, seed 3>"
