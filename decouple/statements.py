"""The statements of a function in their order, and whether one of them can run after another.

A place is known by its way: the blocks that lead to it, outermost first. Of two places one comes after the other unless they
are two ways of one branch, or something in between (return, raise, continue, break) leaves. It is syntax that is looked
at: conditions may hold or not, and whatever may raise is taken not to.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias, TypeGuard

__all__ = ["FUNCTIONS", "LOOPS", "WITHS", "Point", "Step", "Way", "follows", "walked"]

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LOOPS = (ast.For, ast.AsyncFor)
WITHS = (ast.With, ast.AsyncWith)
BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
INNER_SCOPES = (*FUNCTIONS, ast.ClassDef, ast.Lambda)


class Step(NamedTuple):
    """A statement on the way to a place: the `number`-th of the block `field` of `owner`."""

    owner: ast.AST
    field: str
    number: int
    block: list[ast.stmt]


Way: TypeAlias = tuple[Step, ...]


class Point(NamedTuple):
    """A place where something happens. `is_block`: it happens at the end of a statement's block."""

    line: int
    column: int
    what: str
    path: Way
    is_block: bool


def walked(block: list[ast.stmt], above: Way, owner: ast.AST, field: str) -> Iterator[tuple[ast.AST, Way]]:
    """Every node of these statements with the way to it, in order of the source, without inner functions and classes."""
    for number, statement in enumerate(block):
        path = (*above, Step(owner, field, number, block))
        if isinstance(statement, INNER_SCOPES):
            continue
        yield statement, path
        for name, value in ast.iter_fields(statement):
            if is_list(value) and name in BLOCKS:
                yield from walked(value, path, statement, name)
                continue
            for part in value if is_list(value) else [value]:
                yield from ((node, path) for node in expressions(part))


def is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def expressions(node: Any) -> Iterator[ast.AST]:
    """The nodes of an expression in order, without those of a lambda. Not recursive: a sum of a thousand is as deep."""
    left = [node]
    while left:
        node = left.pop()
        if isinstance(node, ast.AST) and not isinstance(node, INNER_SCOPES):
            yield node
            left += reversed(list(ast.iter_child_nodes(node)))


def follows(first: Point, then: Point) -> bool:
    """Whether what happens at `then` can come after `first`, in one go through the function."""
    level = 0
    while level < min(len(first.path), len(then.path)) and same(first.path[level], then.path[level]):
        level += 1
    if level == len(then.path) and then.is_block and not first.is_block and level < len(first.path):
        # In its block: whatever leaves the block but an error acknowledges.
        return not any(isinstance(left, ast.Raise) for step in first.path[level:] for left in rest(step))
    if level == len(first.path) == len(then.path):
        return (first.line, first.column) < (then.line, then.column)
    if level in (len(first.path), len(then.path)):
        return level == len(first.path) and not first.is_block  # in a statement's head, which runs before its body
    here, there = first.path[level], then.path[level]
    return comes_before(here, there) and not leaves(first.path[level + 1 :])


def same(one: Step, other: Step) -> bool:
    return one.owner is other.owner and one.field == other.field and one.number == other.number


ORDER = ("test", "body", "handlers", "orelse", "finalbody")
ONE_OF = (
    (ast.If, {"body", "orelse"}),
    (ast.Try, {"body", "handlers"}),
    (ast.Try, {"handlers", "orelse"}),
    (ast.TryStar, {"body", "handlers"}),
    (ast.TryStar, {"handlers", "orelse"}),
)


def comes_before(here: Step, there: Step) -> bool:
    """Whether two statements of one owner run in this order, and are not one of two ways."""
    if here.field == there.field:
        return here.number < there.number and here.field not in ("handlers", "cases")
    if any(isinstance(here.owner, kind) and {here.field, there.field} == ways for kind, ways in ONE_OF):
        return False
    return ORDER.index(here.field) < ORDER.index(there.field)


def leaves(path: Way) -> bool:
    """Whether a way out (return, raise, and for a loop outside of it continue, break) stands after these steps."""
    for depth, step in enumerate(path):
        inside = any(isinstance(outer.owner, (*LOOPS, ast.While)) for outer in path[: depth + 1])
        jumps = (ast.Return, ast.Raise) if inside else (ast.Return, ast.Raise, ast.Continue, ast.Break)
        if any(isinstance(later, jumps) for later in rest(step)):
            return True
    return False


def rest(step: Step) -> list[ast.stmt]:
    """What stands after it in its block."""
    return step.block[step.number + 1 :]
