"""The house has floors: a module imports only from lower ones, and what is pure stays pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import decouple

ROOT = Path(decouple.__file__).parent

# Half floors are mezzanines, where parts of one room stand on each other.
FLOORS = {
    "errors": 0,
    "generic": 0,
    "calls": 0,
    "callers": 0,
    "addresses": 0,
    "jsontext": 0,
    "attributes": 0.5,
    "bodies": 0.5,
    "codecs": 0.6,
    "neighbour": 0,
    "core": 0,
    "core.records": 0,
    "core.settings": 0,
    "core.patterns": 0,
    "core.principals": 0.5,
    "core.conditions": 0.5,
    "core.policy": 0.6,
    "core.fields": 0.6,
    "core.filter_patterns": 0.7,
    "core.event_operators": 0.75,
    "core.filters": 0.8,
    "core.stabbing": 0.7,
    "core.filter_index": 0.9,
    "core.backoff": 0.5,
    "core.walls": 0.5,
    "core.cron": 0.6,
    "core.schedule": 0.7,
    "zones": 1,
    "arns": 0,
    "core.deadlines": 0,
    "core.counts": 0,
    "core.changes": 0.5,
    "core.places": 1,
    "core.books": 1.5,
    "core.moves": 1.5,
    "core.settling": 1.6,
    "core.due": 1.7,
    "core.machine": 1.8,
    "core.standard": 2,
    "core.fair": 1.9,
    "core.groups": 1.9,
    "core.dedup": 1.95,
    "core.fifo": 2,
    "leap": 0,
    "clock": 1,
    "message": 1,
    "large_bodies": 1.5,
    "entries": 2,
    "idempotent": 2,
    "core.bucket": 0.5,
    "core.breaker": 0.5,
    "resilience.events": 1,
    "resilience.line": 2.1,
    "resilience.guard": 2.1,
    "resilience.gate": 2.2,
    "resilience.bulkhead": 2.3,
    "resilience.limiter": 2.3,
    "resilience.circuit": 2.3,
    "resilience.retrying": 2.3,
    "resilience": 2.4,
    "notification": 1.5,
    "envelopes": 2,
    "digests": 1,
    "lambda_records": 2.5,
    "core.once": 0.5,
    "core.archive": 0.5,
    "topic_settings": 2.1,
    "publishing": 2.5,
    "fanout": 2.85,
    "targets": 2.5,
    "attempt": 2.55,
    "staff": 2,
    "limits": 2,
    "pushing": 2.6,
    "subscription": 2.9,
    "subscribers": 2.5,
    "terms": 2.92,
    "queue_at": 1,
    "amending": 2.93,
    "expiry": 2.5,
    "subscribing": 2.95,
    "publish_steps": 2.4,
    "waiter": 0,
    "numbers": 0,
    "pending": 2.5,
    "topic": 3,
    "core.histogram": 0.5,
    "context": 2,
    "stacks": 0,
    "lineage": 0,
    "packages": 1,
    "processes": 2.2,
    "watching": 2.1,
    "invocation": 2.2,
    "runtimes": 2.25,
    "function_settings": 2,
    "destinations": 2.9,
    "asynchronous": 2.95,
    "calling": 2.3,
    "function": 3,
    "process_worker": 3.5,
    "firing": 3.1,
    "schedules": 3.2,
    "outbox": 2.3,
    "senders": 2.5,
    "core.addresses": 0,
    "http_client": 2.3,
    "http_target": 2.5,
    "post": 2.4,
    "backlog": 1,
    "workers": 1.5,
    "loop_workers": 1.5,
    "tasks": 1.5,
    "runner": 2,
    "smtp": 2.5,
    "parking": 2,
    "lobby": 2,
    "reporting": 2,
    "receipts": 2,
    "moving": 2.5,
    "movetask": 2.6,
    "redrive": 2.7,
    "stats": 2,
    "tags": 2,
    "settings": 2,
    "aio": 2,
    "desk": 2.1,
    "sending": 2.8,
    "receiving": 2.8,
    "settling": 2.7,
    "permissions": 2,
    "sharing": 2.5,
    "intake": 2.7,
    "core.batch_results": 0.5,
    "core.scaling": 0.5,
    "core.event_patterns": 0.9,
    "trigger_settings": 2.72,
    "batch": 2.72,
    "trigger_jobs": 2.73,
    "trigger": 2.75,
    "verdicts": 1.5,
    "wanted": 1.5,
    "heartbeat": 1.5,
    "retries": 1.5,
    "turn": 2.75,
    "consumer": 2.77,
    "core.autoscaling": 0,
    "autoscale": 2.78,
    "handling": 2.8,
    "injecting": 1.5,
    "core.faulty": 2.1,
    "queue": 3,
    "documents": 3,
    "describe_targets": 3.5,
    "describe_topics": 3.8,
    "describe": 4,
    "diagram": 4,
    "findings": 0,
    "statements": 4,
    "lint_handlers": 4.3,
    "lint_topics": 4.3,
    "lint": 4.6,
    "subscribed": 1,
    "change_json": 1,
    "differences": 1.5,
    "story_lines": 1,
    "story_reasons": 1.5,
    "story_page": 1.5,
    "story": 2,
    "recording": 2.5,
    "recorder": 2.6,
    "observing": 4.8,
    "declaring": 4.9,
    "serving": 4.9,
    "broker": 5,
    "__init__": 6,
    "testing.faults": 7,
    "testing.ledger": 7,
    "testing.loop": 7,
    "testing.guards": 7.1,
    "testing.waiting": 7.1,
    "testing.simulation": 7.2,
    "testing.laws": 7.5,
    "testing.replaying": 7.5,
    "testing.strategies.contents": 7,
    "testing.strategies.grammar": 7.1,
    "testing.strategies.cases": 7.2,
    "testing.strategies.times": 7,
    "testing.strategies.queues": 7.1,
    "testing.strategies.plans": 7.3,
    "testing.strategies": 7.5,
    "testing.working": 7,
    "testing.state_machine": 7.7,
    "testing.events.defaults": 7,
    "testing.events.queues": 7.5,
    "testing.events.topics": 7.5,
    "testing.events.buses": 7.5,
    "testing.events.objects": 7.5,
    "testing.events.streams": 7.5,
    "testing.events.tables": 7.5,
    "testing.events.logs": 7.5,
    "testing.events.alarms": 7.5,
    "testing.events.mail": 7.5,
    "testing.events.users": 7.5,
    "testing.events.requests": 7.5,
    "testing.events.sockets": 7.6,
    "testing.events": 7.8,
    "testing": 8,
    "aws.errors": 7,
    "aws.model": 7,
    "aws.signing": 6.5,
    "aws.world": 7,
    "aws.kinds": 7.05,
    "aws.constraints": 7.05,
    "aws.validation": 7.1,
    "aws.wire.messages": 7.1,
    "aws.wire.dates": 7.1,
    "aws.wire.xml": 7.1,
    "aws.wire.names": 7.1,
    "aws.wire.forms": 7.12,
    "aws.wire.jsonshapes": 7.12,
    "aws.wire.query_in": 7.14,
    "aws.wire.query_out": 7.14,
    "aws.wire.aws_json": 7.14,
    "aws.wire.query": 7.16,
    "aws.wire.rest_json": 7.16,
    "aws.wire.routes": 7.18,
    "aws.wire": 7.2,
    "aws.service": 7.2,
    "aws.catalogue": 7.3,
    "aws.callers": 7.4,
    "aws.mocking.errors": 7,
    "aws.mocking.environment": 7,
    "aws.mocking.decorating": 7,
    "aws.mocking.loopback": 7.805,
    "aws.mocking.scene": 7.806,
    "aws.mocking.stage": 7.81,
    "aws.mocking.answering": 7.82,
    "aws.mocking.beside_moto": 7.82,
    "aws.mocking.patching": 7.83,
    "aws.mocking.mock": 7.84,
    "aws.mocking": 7.85,
    "aws.endpoint.addressing": 7.5,
    "aws.endpoint.callers": 7.6,
    "aws.endpoint.exchange": 7.5,
    "aws.endpoint.mover": 7.5,
    "aws.endpoint.looking": 7.5,
    "aws.endpoint.pages": 7.5,
    "aws.endpoint.signatures": 7.5,
    "aws.endpoint.waits": 7.6,
    "aws.endpoint.control": 7.6,
    "aws.endpoint.app": 7.7,
    "aws.endpoint.protocol": 7.6,
    "aws.endpoint.server": 7.8,
    "aws.endpoint": 7.8,
    "aws.sqs.errors": 7.3,
    "aws.sqs": 7.4,
    "aws.sqs.changes": 7.4,
    "aws.sqs.kept": 7.4,
    "aws.sqs.naming": 7.5,
    "aws.sqs.contents": 7.5,
    "aws.sqs.batches": 7.5,
    "aws.sqs.urls": 7.5,
    "aws.sqs.redrive": 7.6,
    "aws.sqs.attributes": 7.7,
    "aws.sqs.queues": 7.8,
    "aws.sqs.listing": 7.8,
    "aws.sqs.tagging": 7.8,
    "aws.sqs.permissions": 7.8,
    "aws.sqs.sending": 7.8,
    "aws.sqs.receiving": 7.85,
    "aws.sqs.settling": 7.8,
    "aws.sqs.moves": 7.8,
    "aws.sns.service": 7.3,
    "aws.sns.kept": 7.3,
    "aws.sns.pages": 7.4,
    "aws.sns.delivery": 7.4,
    "aws.sns.filters": 7.4,
    "aws.sns.message_attributes": 7.4,
    "aws.sns.web": 7.3,
    "aws.sns.access": 7.4,
    "aws.sns.targets": 7.4,
    "aws.sns.arns": 7.5,
    "aws.sns.topic_attributes": 7.6,
    "aws.sns.tagging": 7.6,
    "aws.sns.permissions": 7.6,
    "aws.sns.mobile": 7.6,
    "aws.sns.sms": 7.6,
    "aws.sns.subscription_attributes": 7.7,
    "aws.sns.publishing": 7.7,
    "aws.sns.topics": 7.8,
    "aws.sns.subscriptions": 7.85,
    "aws.sns": 7.4,
    "aws.refusals": 7.25,
    "aws.sts": 7.3,
    "aws.lambdas": 7.3,
    "aws.lambdas.records": 7.3,
    "aws.lambdas.names": 7.4,
    "aws.lambdas.code": 7.5,
    "aws.lambdas.tagging": 7.5,
    "aws.lambdas.pages": 7.5,
    "aws.lambdas.targets": 7.5,
    "aws.lambdas.mapping_records": 7.4,
    "aws.lambdas.configuration": 7.55,
    "aws.lambdas.publishing": 7.6,
    "aws.lambdas.mapping_terms": 7.6,
    "aws.lambdas.updates": 7.7,
    "aws.lambdas.functions": 7.7,
    "aws.lambdas.invoking": 7.7,
    "aws.lambdas.versions": 7.75,
    "aws.lambdas.sharing": 7.75,
    "aws.lambdas.limits": 7.75,
    "aws.lambdas.invoke_configs": 7.75,
    "aws.lambdas.mappings": 7.75,
    "aws.lambdas.refused": 7.75,
    "aws.paging": 7.3,
    "aws.errands": 7.3,
    "aws.events": 7.3,
    "aws.events.inputs": 7.35,
    "aws.events.bus": 7.4,
    "aws.events.naming": 7.5,
    "aws.events.tagging": 7.6,
    "aws.events.putting": 7.6,
    "aws.events.targets": 7.6,
    "aws.events.rules": 7.7,
    "aws.events.buses": 7.8,
    "aws.events.refusals": 7.4,
    "aws.scheduler": 7.3,
    "aws.scheduler.book": 7.4,
    "aws.scheduler.reading": 7.5,
    "aws.scheduler.schedules": 7.6,
    "aws.scheduler.groups": 7.6,
    "aws": 7.9,
    "pytest_plugin": 8,
    "cli": 8,
}
THIRD_PARTY = {"attrs", "sortedcontainers", "typing_extensions"}
# What rooms above the core may need besides, each from its own extra.
EXTRAS = {
    "aws.mocking": {"botocore", "aiobotocore", "boto3", "pytest"},
    "aws.endpoint": {"uvicorn", "httptools", "botocore"},
    "aws.signing": {"cryptography"},
    "pytest_plugin": {"pytest"},
    "testing.strategies": {"hypothesis"},
    "testing.state_machine": {"hypothesis"},
}
WORLDLY = {
    "time",
    "threading",
    "_thread",
    "asyncio",
    "logging",
    "random",
    "secrets",
    "uuid",
    "os",
    "sys",
    "socket",
    "io",
}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__") or "__init__", ast.parse(path.read_text(encoding="utf-8"))


MODULES = dict(modules())


def imports(tree: ast.AST) -> Iterator[str]:
    """What a module imports when it runs: what stands under TYPE_CHECKING does not count."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        yield from imports(node)


def test_every_module_has_its_floor() -> None:
    assert set(MODULES) == set(FLOORS)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_lower_floors(name: str) -> None:
    ours = [module.removeprefix("decouple.") for module in imports(MODULES[name]) if module.startswith("decouple.")]

    upward = [module for module in ours if FLOORS[module] >= FLOORS[name]]

    assert upward == []


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("core")])
def test_the_core_knows_no_clock_lock_thread_task_log_or_network(name: str) -> None:
    assert WORLDLY.isdisjoint(module.partition(".")[0] for module in imports(MODULES[name]))


@pytest.mark.parametrize("name", MODULES)
def test_nothing_but_three_small_libraries_is_needed(name: str) -> None:
    import sys

    roots = {module.partition(".")[0] for module in imports(MODULES[name])}

    extra = next((packages for room, packages in EXTRAS.items() if name.startswith(room)), set[str]())
    assert roots - set(sys.stdlib_module_names) - {"decouple"} <= THIRD_PARTY | extra


@pytest.mark.parametrize("name", MODULES)
def test_no_module_is_longer_than_a_reader_can_hold(name: str) -> None:
    path = ROOT.joinpath(*name.split("."))
    file = path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py"

    assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST.get(name, 450)


# The public surface with its docstrings, and the tree of errors: long, but one idea.
LONGEST = {"queue": 500, "errors": 850}


def test_the_exported_names_are_exactly_the_intended_ones() -> None:
    public = {name for name in dir(decouple) if not name.startswith(("_", "@"))}  # pytest adds names with @
    submodules = {path.stem for path in ROOT.iterdir()} - {"idempotent"}  # which is a decorator, too

    assert public - submodules - {"annotations", "TYPE_CHECKING", "LATER"} == set(decouple.__all__)


@pytest.mark.parametrize("name", decouple.__all__)
def test_every_exported_name_is_documented(name: str) -> None:
    assert (getattr(decouple, name).__doc__ or "").strip()
