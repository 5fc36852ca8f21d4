"""The rule that reads source: a stage that sends a message on and acknowledges it apart.

    for message in orders.messages():
        with message:                             # acknowledged at the end of the block,
            billing.send(bill(message.body))      # so a crash in between leaves both messages

A stage takes a message from one queue, sends something made of it to another, and settles the first by itself. Sent
first, a crash in between doubles the message; acknowledged first, it loses it. What is read is syntax alone: each function
(or module) by itself, names and what is assigned to them, nothing imported or run.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from os import PathLike, fspath
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple, TypeAlias

from decouple.findings import Finding
from decouple.statements import FUNCTIONS, LOOPS, WITHS, Point, Way, follows, walked

__all__ = ["APART", "Handlers", "lint_handlers"]

Handlers: TypeAlias = Iterable[Any]
"""Functions, modules, paths of Python files, paths of folders."""

APART = "sends-and-acks-apart"
SOURCE = "SQS developer guide, Amazon SQS at-least-once delivery"
MEND = "message.move(to, body=...) does both in one transition"

TAKES = ("receive", "messages")
SENDS = ("send", "send_batch")
SETTLES = ("move", "nack", "reject")
COLLECTS = ("append", "add", "extend", "update", "insert", "put")
MESSAGE_NAMES = ("message", "msg", "letter")
# Other things with a send, by the last word of their name.
NOT_A_QUEUE = {
    *("sock", "socket", "conn", "connection", "ws", "websocket", "smtp", "mailer", "session", "transport"),
    *("channel", "pipe", "request", "client"),
}


def lint_handlers(*handlers: Any) -> list[Finding]:
    """The stages that send and acknowledge apart, by file and line.

    handlers: functions, modules, paths of Python files or folders. Raises TypeError, ValueError, OSError, SyntaxError.
    """
    found: dict[tuple[str, int], Finding] = {}
    for handler in handlers:
        for file, tree in sources(handler):
            for scope in ast.walk(tree):
                if isinstance(scope, (ast.Module, *FUNCTIONS)):
                    for line, finding in apart(scope, file):
                        found.setdefault((file, line), finding)
    return [found[place] for place in sorted(found)]


# -- where the source is -------------------------------------------------------------------------------------------


def sources(handler: Any) -> Iterator[tuple[str, ast.AST]]:
    """What is to be read: the trees of whole files, or of one function."""
    if isinstance(handler, (str, PathLike)):
        path = Path(fspath(handler))
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield str(file), parsed(file)
    elif isinstance(handler, ModuleType):
        file = file_of(handler, handler.__file__)
        yield str(file), parsed(file)
    else:
        code = code_of(handler)
        file = file_of(handler, code.co_filename)
        yield str(file), function_in(parsed(file), code, handler)


def code_of(handler: Any) -> CodeType:
    """The code of a function, a method, or what wraps one."""
    inner = handler
    while (wrapped := getattr(inner, "__wrapped__", getattr(inner, "func", None))) is not None:
        inner = wrapped
    code = getattr(inner, "__code__", None)
    if not isinstance(code, CodeType):
        raise TypeError(f"handlers are functions, modules, Python files or folders, not {handler!r:.80}")
    return code


def function_in(tree: ast.Module, code: CodeType, handler: Any) -> ast.AST:
    """The `def` of this code, which counts its lines from its first decorator."""
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if (node.name, first) == (code.co_name, code.co_firstlineno):
                return node
    raise ValueError(f"{handler!r:.80} has no def in line {code.co_firstlineno} of {code.co_filename}: give that path")


def file_of(handler: Any, file: str | None) -> Path:
    if file is None or not file.endswith(".py") or not Path(file).is_file():
        raise ValueError(f"{handler!r:.80} has no Python file to read: give the path of its source")
    return Path(file)


def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes(), str(file))


# -- where a message is held ---------------------------------------------------------------------------------------


class Region(NamedTuple):
    """Statements in which `names` hold a message, or several; `queue` is what they were taken from, where that is seen."""

    statements: list[ast.stmt]
    names: set[str]
    queue: str | None


def apart(scope: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef, file: str) -> Iterator[tuple[int, Finding]]:
    """What one function sends and acknowledges apart, by line."""
    for region in regions(scope):
        places = list(walked(region.statements, (), scope, "body"))
        held = Held(region, [node for node, _ in places])
        sends = held.points(places, held.sent)
        acks = held.points(places, held.acknowledged)
        settles = held.points(places, held.settled)
        for send in sends:
            if any(follows(send, other) or follows(other, send) for other in settles):
                continue  # it is moved or given back; the end of `with message:` then does nothing
            before = [ack for ack in acks if follows(ack, send)]
            after = [ack for ack in acks if follows(send, ack)]
            if before:
                steps, loss = f"{before[-1].what} in line {before[-1].line} and then {send.what}", "loses"
            elif after:
                steps, loss = f"{send.what} and then {after[0].what} in line {after[0].line}", "doubles"
            else:
                continue
            text = f"{steps} are two steps, and a crash between them {loss} the message: {MEND}"
            yield send.line, Finding("error" if before else "warning", APART, f"{file}:{send.line}", text, SOURCE)


def regions(scope: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Region]:
    """Where in a function messages are held: as its arguments, or after they were taken from a queue."""
    if not isinstance(scope, ast.Module):
        arguments = [*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs]
        names = {argument.arg for argument in arguments if is_message(argument, scope)}
        if names:
            yield Region(scope.body, names, None)
    for node, path in walked(scope.body, (), scope, "body"):
        if isinstance(node, LOOPS) and (queue := taken(node.iter)) is not None:
            yield Region(node.body, names_in(node.target), queue)
        elif isinstance(node, ast.Assign) and (queue := taken(node.value)) is not None:
            names = {name for target in node.targets for name in names_in(target)}
            step = path[-1]
            yield Region(until_bound_again(step.block[step.number + 1 :], names), names, queue)
        elif isinstance(node, (ast.While, ast.If)):
            for walrus in ast.walk(node.test):
                if isinstance(walrus, ast.NamedExpr) and (queue := taken(walrus.value)) is not None:
                    yield Region(node.body, {walrus.target.id}, queue)


def is_message(argument: ast.arg, scope: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether an argument is one by its annotation, its name, or because it is acknowledged."""
    if argument.annotation is not None:
        return "Message" in ast.unparse(argument.annotation)
    acked = (is_call(node, "ack") and is_name(node.func.value, {argument.arg}) for node in ast.walk(scope))  # type: ignore[attr-defined]
    return argument.arg in MESSAGE_NAMES or any(acked)


def taken(value: ast.AST) -> str | None:
    """The queue from which an expression takes messages."""
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in TAKES:
            return queue_of(node.func)
    return None


def until_bound_again(statements: list[ast.stmt], names: set[str]) -> list[ast.stmt]:
    """The statements up to the one that takes other messages under one of the names."""
    for number, statement in enumerate(statements):
        targets = statement.targets if isinstance(statement, ast.Assign) and taken(statement.value) else []
        if any(names & names_in(target) for target in targets):
            return statements[:number]
    return statements


# -- what is done there --------------------------------------------------------------------------------------------


class Held:
    """The names that hold messages in a region, and those that hold something `made` of one."""

    def __init__(self, region: Region, nodes: list[ast.AST]) -> None:
        self.messages, self.made, self.queue = set(region.names), set(region.names), region.queue
        known = -1
        while known != (known := len(self.messages) + len(self.made)):
            for node in nodes:
                self.learn(node)

    def learn(self, node: ast.AST) -> None:
        """Follow an assignment, a loop, a `with ... as`, a collection."""
        value, targets = bound(node)
        if value is not None and mentions(value, self.made):
            names = {name for target in targets for name in names_in(target)}
            self.made |= names
            if self.whole(value, loop=isinstance(node, LOOPS)):
                self.messages |= names

    def whole(self, value: ast.AST, *, loop: bool) -> bool:
        """Whether a value is a message itself, or some of them, and not something made of one."""
        if isinstance(value, (ast.Subscript, ast.Starred, ast.Await)):
            return self.whole(value.value, loop=loop)
        if isinstance(value, ast.Call) and is_call(value, "pop", "popleft") and isinstance(value.func, ast.Attribute):
            return self.whole(value.func.value, loop=loop)
        if loop and isinstance(value, ast.Call) and isinstance(value.func, ast.Name):  # zip, enumerate, sorted, ...
            return any(self.whole(argument, loop=loop) for argument in value.args)
        if isinstance(value, (ast.ListComp, ast.GeneratorExp)):
            return is_name(value.elt, names_in(value.generators[0].target)) and self.whole(
                value.generators[0].iter, loop=loop
            )
        return is_name(value, self.messages)

    def points(self, places: list[tuple[ast.AST, Way]], what: Callable[[ast.AST], str | None]) -> list[Point]:
        found: list[Point] = []
        for node, path in places:
            words = what(node)
            if words is not None:
                line, column = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
                found.append(Point(line, column, words, path, isinstance(node, WITHS)))
        return found

    def sent(self, node: ast.AST) -> str | None:
        """A send of something made of the message, to another queue."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in SENDS:
            return None
        to = queue_of(node.func)
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        if to == self.queue or to.lower().replace("_", ".").split(".")[-1] in NOT_A_QUEUE:
            return None
        if is_name(node.func.value, self.made) or any(is_bytes(argument) for argument in arguments):
            return None  # what is opened for a message is no queue, and bytes are no body
        return f"{to}.{node.func.attr}(...)" if any(mentions(argument, self.made) for argument in arguments) else None

    def acknowledged(self, node: ast.AST) -> str | None:
        """An ack of the message, or the end of its block."""
        if isinstance(node, WITHS):
            blocks = [item for item in node.items if self.whole(item.context_expr, loop=False)]
            return f"the end of `with {ast.unparse(blocks[0].context_expr)}:`" if blocks else None
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return None
        if node.func.attr == "ack" and self.whole(node.func.value, loop=False):
            return f"{ast.unparse(node.func)}()"
        if node.func.attr == "delete" and any(self.receipt(argument) for argument in node.args):
            return f"{queue_of(node.func)}.delete(...)"
        return None

    def receipt(self, argument: ast.AST) -> bool:
        if isinstance(argument, ast.Starred):
            return self.receipt(argument.value)
        if isinstance(argument, ast.Attribute) and argument.attr == "receipt":
            return self.whole(argument.value, loop=False)
        return self.whole(argument, loop=False)

    def settled(self, node: ast.AST) -> str | None:
        """A message moved, given back or given up by its own verb."""
        if is_call(node, *SETTLES) and self.whole(node.func.value, loop=False):  # type: ignore[attr-defined]
            return "settled"
        return None


# -- reading syntax ----------------------------------------------------------------------------------------------


def bound(node: ast.AST) -> tuple[ast.AST | None, list[ast.AST]]:
    """What a node takes over from where to where."""
    if isinstance(node, ast.Assign):
        return node.value, list(node.targets)
    if isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)):
        return node.value, [node.target]
    if isinstance(node, LOOPS):
        return node.iter, [node.target]
    if isinstance(node, ast.withitem) and node.optional_vars is not None:
        return node.context_expr, [node.optional_vars]
    if isinstance(node, ast.Call) and is_call(node, *COLLECTS) and isinstance(node.func, ast.Attribute) and node.args:
        return node.args[-1], [node.func.value]
    return None, []


def names_in(target: ast.AST) -> set[str]:
    """The names that an assignment to `target` changes."""
    if isinstance(target, ast.Attribute):
        return set()
    if isinstance(target, ast.Subscript):
        return names_in(target.value)
    if isinstance(target, ast.Name):
        return {target.id}
    return {name for child in ast.iter_child_nodes(target) for name in names_in(child)}


def mentions(node: ast.AST, names: set[str]) -> bool:
    return any(is_name(inner, names) for inner in ast.walk(node))


def is_name(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def is_call(node: ast.AST, *methods: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods


def is_bytes(node: ast.AST) -> bool:
    return is_call(node, "encode") or (isinstance(node, ast.Constant) and isinstance(node.value, bytes))


def queue_of(method: ast.Attribute) -> str:
    """The queue whose method is called, as it is written; `orders.aio` is `orders`."""
    return ast.unparse(method.value).removesuffix(".aio")
