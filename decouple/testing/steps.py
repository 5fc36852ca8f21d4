"""Steps: the places in a function's code before which something may have been done, where an error can be raised instead.

An error raised between two instructions must not pass by the `with` and `finally` blocks that the first of them is in: what
follows the last instruction of a block is not in it any more. So each place is moved on, over instructions that do nothing
which others see, to where most of these blocks are; one that cannot be in all of them is left out, and the next one, at the
end of the block, stands for it.

Read from bytecode, by `dis`. Names are those of Python 3.11 to 3.14.
"""

from __future__ import annotations

import dis
from collections.abc import Iterable
from functools import lru_cache
from types import CodeType
from typing import Any

__all__ = ["steps_of"]

ENDS = ("RETURN", "RAISE", "RERAISE", "BEFORE_", "LOAD_SPECIAL", "SEND", "YIELD", "FOR_ITER", "IMPORT")
"""Where straight code ends, or others are called."""


@lru_cache(maxsize=1_000)
def steps_of(code: CodeType) -> dict[int, int]:
    """Offsets of the instructions before which an error may be raised, each with the line of what was done."""
    instructions = list(dis.get_instructions(code))
    places = {instruction.offset: at for at, instruction in enumerate(instructions)}
    blocks = Blocks(code, instructions, places)
    steps: dict[int, int] = {}
    line = code.co_firstlineno
    for at, instruction in enumerate(instructions):
        line = line_of(instruction) or line
        if instruction.opname == "SEND":  # an await: what it waited for is over at the target
            found = blocks.best(at, places.get(instruction.argval, len(instructions)))
        elif does_something(instruction):
            found = blocks.best(at, at + 1)
        else:
            continue
        if found is not None:
            steps.setdefault(found, line)
    return steps


def line_of(instruction: dis.Instruction) -> int | None:
    return None if instruction.positions is None else instruction.positions.lineno


def does_something(instruction: dis.Instruction) -> bool:
    """Whether others may see that it was run."""
    name = instruction.opname
    if name == "BINARY_OP":
        return instruction.argrepr.endswith("=")
    if name.startswith("CALL"):
        return not name.startswith("CALL_INTRINSIC")
    return name.startswith(("STORE_", "DELETE_")) and not name.startswith(("STORE_FAST", "DELETE_FAST", "STORE_NAME"))


class Blocks:
    """In which `with` and `finally` blocks each instruction is."""

    def __init__(self, code: CodeType, instructions: list[dis.Instruction], places: dict[int, int]) -> None:
        self._instructions = instructions
        self._places = places
        self._handlers: dict[int, int] = {}  # of each instruction that has one, by their offsets
        entries: Iterable[Any] = getattr(dis.Bytecode(code), "exception_entries", ())  # there since 3.11, undocumented
        for entry in entries:
            self._handlers.update((offset, entry.target) for offset in range(entry.start, entry.end, 2))

    def best(self, done: int, first: int) -> int | None:
        """The offset, from the instruction number `first` on, that is in most blocks; None if it leaves one of `done`'s."""
        needed = self.around(self._instructions[done].offset)
        best: tuple[int, int] | None = None
        for instruction in self._instructions[first:]:
            if instruction.opname == "GET_AWAITABLE":
                break  # a coroutine that was made and not begun did nothing yet
            around = self.around(instruction.offset)
            if needed <= around and (best is None or len(around) > best[0]):
                best = len(around), instruction.offset
            if ends(instruction):
                break
        return None if best is None else best[1]

    def around(self, offset: int) -> frozenset[int]:
        """The blocks, by the offsets of what is done at their ends when there is an error."""
        found: set[int] = set()
        seen: set[int] = set()
        target = self._handlers.get(offset)
        while target is not None and target not in seen:
            seen.add(target)
            if self._is_cleanup(target):
                found.add(target)
            target = self._handlers.get(target)
        return frozenset(found)

    def _is_cleanup(self, target: int) -> bool:
        """Whether it is the end of a `with` or `finally`, and neither an `except` nor what Python does at the end of one."""
        names = [one.opname for one in self._instructions[self._places[target] :]]
        if names[0] != "PUSH_EXC_INFO":
            return False
        first = next((name for name in names[1:] if name != "NOP"), "")
        until = names[: next((at for at, name in enumerate(names) if name == "RERAISE"), len(names))]
        return first == "WITH_EXCEPT_START" or not (first == "POP_TOP" or "CHECK_EXC_MATCH" in until)


def ends(instruction: dis.Instruction) -> bool:
    """Whether nothing may be moved past it."""
    jumps = instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs
    return jumps or does_something(instruction) or instruction.opname.startswith(ENDS)
