"""The linter: every rule trips over what it is for and is silent about what is right."""

from __future__ import annotations

import ast
import functools
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import pytest

from decouple import Broker, Finding, Message, Queue
from decouple.lint import RULES
from decouple.lint_handlers import APART, lint_handlers
from decouple.statements import walked
from decouple.testing import VirtualClock

LONG = 1_209_600
DAY = 86_400


class Order(TypedDict):
    id: int


class Bill(TypedDict):
    id: int


def healthy(broker: Broker, **settings: Any) -> Queue:
    """A queue that no rule says anything about, but for the settings given."""
    if "dead_letter" not in settings:
        settings = {"dead_letter": broker.queue("dead", retention=LONG), "max_receives": 5} | settings
    return broker.queue("orders", **settings)


def rules(broker: Broker) -> dict[str, str]:
    """Rule by queue, of a broker with at most one finding a queue."""
    findings = broker.lint()
    assert len({finding.where for finding in findings}) == len(findings), findings
    return {finding.where: finding.rule for finding in findings}


def test_a_healthy_broker_has_no_findings(broker: Broker) -> None:
    healthy(broker)

    assert broker.lint() == []


def test_a_finding_says_how_bad_which_rule_where_how_to_mend_it_and_who_says_so(broker: Broker) -> None:
    broker.queue("orders", retention=3_600, dead_letter=broker.queue("dead", retention=60), max_receives=3)

    [finding] = broker.lint()

    assert finding == Finding(
        severity="error",
        rule="dead-letters-die-early",
        where="orders",
        text="its dead-letter queue 'dead' keeps messages 60 s from their send and this queue 3,600 s, so some die before "
        "anybody reads them: set retention of 'dead' to more than 3,600, best 1209600 (14 days)",
        source="SQS developer guide, Setting-up dead-letter queue retention",
    )
    assert str(finding) == f"error: orders: {finding.text} [dead-letters-die-early]"


# -- settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (
            "delay-outlives-retention",
            {"delay": 60, "retention": 60},
            {"delay": 60, "retention": 61, "max_receives": None},
        ),
        (
            "dies-before-dead-letter",
            {"visibility_timeout": 43_200, "retention": 5 * 43_200},
            {"visibility_timeout": 43_200},
        ),
        ("dies-before-dead-letter", {"delay": 10, "retention": 160}, {"delay": 9, "retention": 160}),
        ("one-receive-only", {"max_receives": 1}, {"max_receives": 2}),
        ("no-visibility-timeout", {"visibility_timeout": 0}, {"visibility_timeout": 0.5}),
        ("no-max-receives", {"max_receives": None}, {}),
        ("no-dead-letter-queue", {"dead_letter": None}, {}),
    ],
)
def test_settings_that_contradict_each_other_are_found_to_the_second(
    clock: VirtualClock, rule: str, bad: dict[str, Any], good: dict[str, Any]
) -> None:
    wrong, right = Broker(clock=clock), Broker(clock=clock)
    healthy(wrong, **bad)
    healthy(right, **good)

    assert rules(wrong) == {"orders": rule}
    assert rule not in {finding.rule for finding in right.lint()}


def test_a_lost_lease_that_outlives_the_retention_is_found_where_there_is_no_max_receives(broker: Broker) -> None:
    broker.queue("lost", delay=30, visibility_timeout=30, retention=60)
    broker.queue("fine", delay=29, visibility_timeout=30, retention=60)

    found = [finding.where for finding in broker.lint() if finding.rule == "no-second-receive"]

    assert found == ["lost"]


@pytest.mark.parametrize(
    ("retention", "rule"),
    [(DAY - 1, "dead-letters-die-early"), (DAY, "dead-letters-have-no-time"), (DAY + 1, None)],
)
def test_dead_letters_are_to_be_kept_longer_than_messages(broker: Broker, retention: int, rule: str | None) -> None:
    """SQS: on a standard queue a dead letter keeps the enqueue time, and its retention counts from that."""
    healthy(broker, retention=DAY)
    broker.queues["dead"].configure(retention=retention)

    assert rules(broker).get("orders") == rule


def test_dead_letters_of_a_fifo_queue_start_anew(clock: VirtualClock) -> None:
    """SQS: the enqueue timestamp is reset when a FIFO queue's message moves."""
    orders = Queue("orders.fifo", dead_letter=Queue("dead.fifo", retention=60, clock=clock), clock=clock)

    assert "dead-letters-die-early" not in rules_of([orders])


@pytest.mark.parametrize(("body", "found"), [(Bill, True), (Order, False), (str, False)])
def test_a_dead_letter_queue_must_be_able_to_read_the_dead_letters(broker: Broker, body: Any, found: bool) -> None:
    dead = broker.queue("dead", retention=LONG, body=body)
    broker.queue("orders", body=Order, dead_letter=dead, max_receives=5)

    assert rules(broker) == ({"orders": "dead-letters-of-another-type"} if found else {})


def test_a_dead_letter_queue_of_nobodys_is_found(broker: Broker, clock: VirtualClock) -> None:
    broker.queue("orders", dead_letter=Queue("dead", retention=LONG, clock=clock), max_receives=5)

    assert rules(broker) == {"orders": "dead-letter-queue-elsewhere"}


# -- counts ----------------------------------------------------------------------------------------------------


@pytest.fixture
def unread(broker: Broker, clock: VirtualClock) -> Broker:
    """A dead letter that has been waiting for a quarter of its retention."""
    healthy(broker, retention=LONG - 1).send("x")
    broker.queues["orders"].receive()[0].reject("no")
    clock.advance(LONG / 4)
    return broker


def test_dead_letters_that_nobody_reads_are_found_after_a_quarter_of_their_retention(unread: Broker) -> None:
    [finding] = unread.lint()

    assert (finding.rule, finding.where) == ("dead-letters-nobody-reads", "dead")
    assert "1 dead letters of orders wait here" in finding.text


def test_dead_letters_may_wait_for_less_than_that(broker: Broker, clock: VirtualClock) -> None:
    healthy(broker, retention=LONG - 1).send("x")
    broker.queues["orders"].receive()[0].reject("no")
    clock.advance(LONG / 4 - 1)

    assert broker.lint() == []


def test_dead_letters_that_somebody_reads_are_not_found(unread: Broker) -> None:
    unread.queues["dead"].receive(visibility_timeout=1)

    assert unread.lint() == []


def test_dead_letters_that_were_sent_back_are_not_found(unread: Broker, clock: VirtualClock) -> None:
    unread.queues["dead"].redrive()
    unread.queues["orders"].receive()[0].reject("no")
    clock.advance(LONG / 4)

    assert unread.lint() == []


@pytest.mark.parametrize(("late", "found"), [(1, False), (2, True)])
def test_a_visibility_timeout_that_runs_out_in_one_receive_of_five_is_too_short(
    broker: Broker, clock: VirtualClock, late: int, found: bool
) -> None:
    orders = healthy(broker)
    for number in range(10 - late):
        orders.send(f"on time {number}")
        orders.receive()[0].ack()
    for number in range(late):
        orders.send(f"late {number}")
        orders.receive(visibility_timeout=10 + number)
    clock.advance(40)

    assert rules(broker) == ({"orders": "visibility-timeout-too-short"} if found else {})


def test_too_few_receives_say_nothing_about_the_visibility_timeout(broker: Broker, clock: VirtualClock) -> None:
    orders = healthy(broker)
    orders.send_batch(["a", "b", "c"])
    orders.receive(max_messages=3)
    clock.advance(40)

    assert broker.lint() == []


def test_messages_that_died_unhandled_are_found_and_dead_letters_are_not(broker: Broker, clock: VirtualClock) -> None:
    orders = healthy(broker, retention=DAY)
    orders.send_batch(["dead", "forgotten"])
    orders.receive()[0].reject("no")
    clock.advance(LONG)

    assert broker.queues["dead"].stats().retained_out == 1
    assert rules(broker) == {"orders": "messages-outlive-retention"}


def rules_of(queues: list[Any]) -> set[str]:
    from decouple.lint import lint

    return {finding.rule for finding in lint(queues)}


@pytest.mark.parametrize(
    ("name", "groups", "found"),
    [
        ("orders.fifo", ["a"] * 10, True),
        ("orders.fifo", ["a"] * 9, False),
        ("orders.fifo", ["a"] * 10 + ["b"], False),
        ("orders", ["a"] * 10, False),
    ],
)
def test_a_fifo_queue_of_one_group_is_found(clock: VirtualClock, name: str, groups: list[str], found: bool) -> None:
    queue = Queue(name, clock=clock)
    for number, group in enumerate(groups):
        queue.send("x", group=group, deduplication_id=str(number) if queue.fifo else None)

    assert ("one-group-only" in rules_of([queue])) == found


def test_looking_changes_nothing(unread: Broker) -> None:
    before = unread.stats()

    unread.lint()

    assert unread.stats() == before


# -- all rules -------------------------------------------------------------------------------------------------


def test_the_worst_comes_first_then_by_queue(broker: Broker) -> None:
    broker.queue("b")
    broker.queue("a", delay=60, retention=60)
    broker.queue("c", visibility_timeout=0, delay=60, retention=60)

    assert [(finding.severity, finding.where) for finding in broker.lint()] == [
        ("error", "a"),
        ("error", "c"),
        ("warning", "c"),
        ("info", "a"),
        ("info", "b"),
        ("info", "c"),
    ]
    assert broker.lint() == broker.lint()


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_stated_and_has_a_source(name: str) -> None:
    rule = RULES[name]

    assert (rule.look.__doc__ or "").endswith(".")
    assert rule.source
    assert rule.severity in ("error", "warning", "info")


def test_every_rule_is_tripped_by_a_test_here() -> None:
    words = {
        node.value
        for node in ast.walk(ast.parse(Path(__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    }

    assert [name for name in (*RULES,) if name not in words] == []


def test_a_rule_that_is_ignored_finds_nothing(broker: Broker) -> None:
    broker.queue("orders", visibility_timeout=0)

    assert [finding.rule for finding in broker.lint(ignore=["no-dead-letter-queue"])] == ["no-visibility-timeout"]
    assert broker.lint(ignore=("no-dead-letter-queue", "no-visibility-timeout")) == []


@pytest.mark.parametrize(
    ("ignore", "error"), [(["no-rule"], ValueError), ("one-receive-only", TypeError), ([7], ValueError), (7, TypeError)]
)
def test_only_rules_can_be_ignored(broker: Broker, ignore: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        broker.lint(ignore=ignore)


# -- stages that send and acknowledge apart --------------------------------------------------------------------

Source = Callable[[str], Path]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """Write a Python file."""

    def write(text: str) -> Path:
        file = tmp_path / "stages.py"
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    return write


def marked(file: Path) -> list[tuple[int, str]]:
    """The lines marked in a source, with what is to be found there."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return [
        (number, line.rpartition("# ")[2])
        for number, line in enumerate(lines, 1)
        if line.endswith(("doubles", "loses"))
    ]


def found_in(file: Path) -> list[tuple[int, str]]:
    findings = lint_handlers(file)
    assert {finding.rule for finding in findings} <= {APART}
    return [
        (int(finding.where.rpartition(":")[2]), "doubles" if " doubles the message" in finding.text else "loses")
        for finding in findings
    ]


BAD = {
    "block": """
        def stage(orders, bills):
            for message in orders.messages():
                with message:
                    bills.send(bill(message.body))  # doubles
    """,
    "several items of with, attributes, a value made of the body": """
        class Audit:
            def work(self):
                for message in self.files.messages():
                    with suppress(Exception), message:
                        report = read(message.body)
                        self.results.send(report, delay=5)  # doubles
    """,
    "async": """
        async def stage(orders, bills):
            async for message in orders.aio.messages():
                async with message:
                    await bills.aio.send(message.json()["bill"])  # doubles
    """,
    "ack": """
        def stage():
            for message in orders.receive(max_messages=10, wait=20):
                bills.send(message.text)  # doubles
                message.ack()
    """,
    "ack first": """
        def stage():
            [message] = orders.receive()
            message.ack()
            bills.send(message.body)  # loses
    """,
    "after the block": """
        def stage():
            for message in orders.receive():
                with message:
                    body = message.body
                bills.send(body)  # loses
    """,
    "delete": """
        def stage():
            message = orders.receive()[0]
            bills.send(message.body)  # doubles
            orders.delete(message)
    """,
    "a batch": """
        def stage():
            while batch := orders.receive(max_messages=10):
                bills.send_batch([bill(message) for message in batch])  # doubles
                orders.delete(*batch)
    """,
    "collected, then settled": """
        def stage():
            done, bodies = [], []
            for message in orders.receive(max_messages=10):
                bodies.append(message.body)
                bills.send(message.body)  # doubles
                done.append(message)
                orders.delete(*done)
    """,
    "receipts": """
        def stage():
            batch = orders.receive(max_messages=10)
            for message in batch:
                bills.send(message.body)  # doubles
            orders.delete(*[message for message in batch])
            for number, message in enumerate(batch):
                orders.delete(message.receipt)
    """,
    "an argument": """
        def one(item: Message[Order], to):
            to.send(item.body)  # doubles
            item.ack()

        def two(message):
            with message:
                bills.send(message.text)  # doubles

        def three(thing):
            bills.send(thing.text)  # doubles
            thing.ack()
    """,
    "in branches that meet": """
        def stage():
            for message in orders.messages():
                if message.receive_count > 3:
                    late.send(message.body)  # doubles
                message.ack()
    """,
    "an error handler": """
        def stage():
            for message in orders.messages():
                try:
                    handle(message.body)
                except ValueError:
                    broken.send(message.text)  # doubles
                message.ack()
    """,
    "returns inside the block": """
        def stage(message):
            with message:
                if message.body:
                    bills.send(message.body)  # doubles
                    return
    """,
    "in a condition": """
        def stage(message):
            if bills.send(message.body):  # doubles
                message.ack()
    """,
    "at the top of a script": """
        for message in orders.receive():
            bills.send(message.body)  # doubles
            message.ack()
    """,
    "an inner loop that ends early": """
        def stage(message):
            for part in message.json():
                bills.send(part)  # doubles
                break
            message.ack()
    """,
}

GOOD = {
    "only sends": """
        def stage(orders):
            for number in range(10):
                orders.send(f"order {number}")
    """,
    "only handles": """
        def stage(orders):
            for message in orders.messages():
                with message:
                    print(message.body)
    """,
    "moves": """
        def stage(orders, bills):
            for message in orders.messages():
                with message:
                    message.move(bills, body=bill(message.body))
    """,
    "moves, and tells": """
        def stage(orders, bills, audit):
            for message in orders.messages():
                with message:
                    message.move(bills, body=bill(message.body))
                    audit.send(message.id)
    """,
    "sends something else": """
        def stage(orders, beats):
            for message in orders.messages():
                with message:
                    beats.send("alive")
                    handle(message.body)
    """,
    "gives back": """
        def stage(message):
            with message:
                try:
                    handle(message)
                except Broken:
                    alarms.send(message.id)
                    message.nack(60)
    """,
    "raises, and so gives back": """
        def stage(message):
            with message:
                try:
                    handle(message)
                except Broken:
                    alarms.send(message.id)
                    raise
    """,
    "sends it again to the same queue": """
        def stage(orders):
            for message in orders.messages():
                orders.send(message.body, delay=900)
                message.ack()
    """,
    "either sends or acknowledges": """
        def stage(message):
            if message.body:
                bills.send(message.body)
            else:
                message.ack()

        def other(message):
            try:
                handle(message.body)
                message.ack()
            except ValueError:
                alarms.send(message.id)

        def third(message):
            match message.body:
                case "x":
                    bills.send(message.body)
                case _:
                    message.ack()
    """,
    "leaves in between": """
        def stage():
            for message in orders.messages():
                if seen(message.id):
                    message.ack()
                    continue
                bills.send(message.body)

        def other(message):
            if message.body:
                bills.send(message.body)
                return
            message.ack()
    """,
    "sends what is no message": """
        def serve(sock, message):
            with message:
                sock.send(message.text)
                self.peer_socket.send(message.text)
                wire.send(message.text.encode())
                stream = connect(message.body)
                stream.send(message.text)
    """,
    "two loops with one name": """
        def stage():
            for message in orders.receive():
                with message:
                    print(message.body)
            for message in bills.receive():
                letters.send(message.body)
            [message] = orders.receive()
            message.ack()
            [message] = bills.receive()
            letters.send(message.body)
    """,
    "other things with a block": """
        def stage(lock, session, queue, response, text: str):
            with lock, session:
                queue.send(session.get(text))
            with open(text) as file:
                queue.send(file.read())
            with response:
                queue.send(response.json())
    """,
    "an inner function does it later": """
        def stage(message):
            def tell():
                bills.send(message.body)
            later = lambda: bills.send(message.body)
            with message:
                handle(later, tell)
    """,
    "deletes something else": """
        def stage(message):
            bills.send(message.body)
            database.delete(message.body)
    """,
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_a_stage_that_sends_and_acknowledges_apart_is_found_at_its_send(source: Source, text: str) -> None:
    file = source(text)

    assert marked(file)
    assert found_in(file) == marked(file)


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_a_stage_that_does_not_is_not_found(source: Source, text: str) -> None:
    assert found_in(source(text)) == []


def test_the_finding_names_both_steps_and_the_way_to_make_them_one(source: Source) -> None:
    file = source(BAD["block"])

    [finding] = lint_handlers(file)

    assert finding == Finding(
        severity="warning",
        rule="sends-and-acks-apart",
        where=f"{file}:5",
        text="bills.send(...) and then the end of `with message:` in line 4 are two steps, and a crash between them doubles "
        "the message: message.move(to, body=...) does both in one transition",
        source="SQS developer guide, Amazon SQS at-least-once delivery",
    )


def test_what_may_lose_a_message_is_an_error(source: Source) -> None:
    [finding] = lint_handlers(source(BAD["ack first"]))

    assert finding.severity == "error"
    assert (
        "message.ack() in line 4 and then bills.send(...) are two steps, and a crash between them loses" in finding.text
    )


bills = Queue("bills")


def forward(message: Message) -> None:
    bills.send(message.body)
    message.ack()


def decorated(function: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(function)
    def wrapper(*arguments: Any) -> None:
        function(*arguments)

    return wrapper


@decorated
@decorated
def forward_by_block(message: Message) -> None:
    with message:
        bills.send(message.body)


class Stages:
    def forward(self, message: Message) -> None:
        bills.send(message.body)
        message.ack()


def line_after(text: str) -> int:
    """The line of the first send after the one that reads so."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    start = lines.index(text)
    return next(number for number in range(start, len(lines)) if "bills.send(" in lines[number]) + 1


@pytest.mark.parametrize(
    ("handler", "first"),
    [
        (forward, "def forward(message: Message) -> None:"),
        (forward_by_block, "def forward_by_block(message: Message) -> None:"),
        (Stages().forward, "class Stages:"),
        (Stages.forward, "class Stages:"),
        (functools.partial(forward, None), "def forward(message: Message) -> None:"),
    ],
)
def test_a_function_is_read_alone(handler: Any, first: str) -> None:
    assert [finding.where for finding in lint_handlers(handler)] == [f"{__file__}:{line_after(first)}"]


def test_a_module_and_a_folder_are_read_whole(source: Source) -> None:
    import decouple.lint as module

    file = source(BAD["an argument"])

    assert lint_handlers(module) == []
    assert [finding.where for finding in lint_handlers(file.parent, str(file))] == [
        f"{file}:{line}" for line, _ in marked(file)
    ]


def test_the_broker_adds_its_handlers_to_its_findings(broker: Broker, source: Source) -> None:
    healthy(broker, max_receives=1)
    file = source(BAD["ack first"])

    both = broker.lint(handlers=[file])

    assert [finding.rule for finding in both] == [APART, "one-receive-only"]
    assert broker.lint(handlers=[file], ignore=[APART, "one-receive-only"]) == []


@pytest.mark.parametrize(
    ("handler", "error"),
    [
        (7, TypeError),
        (print, TypeError),
        (Queue, TypeError),
        (lambda message: None, ValueError),
        (eval("lambda message: None"), ValueError),
        ("nowhere.py", FileNotFoundError),
    ],
)
def test_what_has_no_source_is_one_clear_error(handler: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        lint_handlers(handler)


def test_a_file_that_is_no_python_is_a_syntax_error_that_names_it(source: Source) -> None:
    with pytest.raises(SyntaxError) as caught:
        lint_handlers(source("print 'x'"))

    assert (caught.value.filename or "").endswith("stages.py")


def test_an_expression_may_be_deeper_than_the_stack() -> None:
    tree = ast.Module(body=[], type_ignores=[])
    value: ast.expr = ast.Name("x")
    for _ in range(5_000):
        value = ast.UnaryOp(ast.Not(), value)
    tree.body.append(ast.Expr(value))

    assert sum(1 for _ in walked(tree.body, (), tree, "body")) == 10_002


@pytest.mark.parametrize(
    ("settings", "rules"),
    [
        ({"max_receives": 1, "on_poison": "park"}, ["one-receive-only"]),
        ({"max_receives": 3, "on_poison": "park"}, []),
        ({"max_receives": 2_000, "on_poison": "park", "retention": 60}, []),
        ({"max_receives": 1, "on_poison": "block"}, ["no-dead-letter-queue"]),
    ],
)
def test_a_queue_that_parks_or_blocks_groups_is_not_told_of_dead_letters(
    clock: VirtualClock, settings: dict[str, Any], rules: list[str]
) -> None:
    broker = Broker(clock=clock)
    broker.queue("entries.fifo", **settings)

    findings = broker.lint()

    assert [finding.rule for finding in findings] == rules
    assert not any("makes a dead letter" in finding.text for finding in findings)


@pytest.mark.parametrize("wrong", [{"handlers": "stages.py"}, {"ignore": 7}])
def test_lint_takes_lists(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="must be a list"):
        Broker().lint(**wrong)
