"""Requests against the model, in one place: what is missing, of the wrong kind, or out of its range.

Each operation's input is turned once into a test that says yes or no, which is all that a good request meets. Only a
request that fails it is walked with the model in hand, to say everything that is wrong with it in AWS's words.
Members that the model does not know are nobody's business: AWS ignores them.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# What JSON holds is known when it is looked at, not before.

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from decouple.aws.constraints import Kind, constraints_of
from decouple.aws.errors import ServiceError
from decouple.aws.kinds import malformed, wrong_kind
from decouple.aws.model import Shape

if TYPE_CHECKING:
    from decouple.aws.service import Service

__all__ = ["Door"]

Fits: TypeAlias = Callable[[Any], bool]

SCALARS: dict[str, Fits] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and value is not True and value is not False and is_int(value, 31),
    "long": lambda value: isinstance(value, int) and value is not True and value is not False and is_int(value, 63),
    "boolean": lambda value: value is True or value is False,
    "double": lambda value: isinstance(value, (int, float)) and value is not True and value is not False,
    "blob": lambda value: isinstance(value, (bytes, bytearray)),
    "timestamp": lambda value: isinstance(value, datetime),
}
SCALARS["float"] = SCALARS["double"]


def is_int(value: int, bits: int) -> bool:
    """Whether so many bits hold it, beside its sign."""
    return -(1 << bits) <= value < (1 << bits)


class Door:
    """The checks of one service's requests."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._fits: dict[str, Fits] = {}

    def check(self, operation: str, given: dict[str, Any]) -> None:
        """Raises ServiceError for parameters that the model does not allow. Cost: under a microsecond for few of them."""
        fits = self._fits.get(operation)
        if fits is None:
            fits = self._fits[operation] = self._compile(operation)
        if not fits(given):
            self._refuse(operation, given)

    def _compile(self, operation: str) -> Fits:
        shape = self._service.model.operations[operation].input
        return nothing if shape is None else fits_structure(shape, shape.required, self._service.checks, {})

    def _refuse(self, operation: str, given: dict[str, Any]) -> None:
        shape = self._service.model.operations[operation].input
        assert shape is not None
        try:
            faults = list(faults_of(shape, given, self._service.checks, "", ""))
        except RecursionError:  # what a text would have to quote may be any JSON
            raise malformed("The request is nested too deep") from None
        for fault in faults:
            if fault.missing is not None:
                error = self._service.missing(fault.missing)
                if error is not None:
                    raise error
        raise refusal(faults, query=self._service.model.protocol == "query")


def nothing(given: Any) -> bool:
    """Fits an operation without parameters."""
    return True


def refusal(faults: Collection[Fault], *, query: bool) -> ServiceError:
    """AWS's error for all of them."""
    count = f"{len(faults)} validation error{'' if len(faults) == 1 else 's'} detected: "
    code = "ValidationError" if query else "ValidationException"
    return ServiceError("ValidationException", count + "; ".join(fault.text for fault in faults), code=code)


# What says yes or no.


def fitting(shape: Shape, kinds: frozenset[Kind], known: dict[str, Fits]) -> Fits:
    """The test for a shape."""
    if shape.name in known:
        return known[shape.name]
    # A shape that holds itself finds this entry, which asks for the finished test when it is used.
    known[shape.name] = lambda value: known[shape.name](value)
    if shape.type == "structure":
        made = fits_structure(shape, shape.required if "members" in kinds else (), kinds, known)
    elif shape.type == "list":
        made = fits_list(fitting(shape.element.shape, kinds, known))
    elif shape.type == "map":
        made = fits_map(fitting(shape.key.shape, kinds, known), fitting(shape.value.shape, kinds, known))
    else:
        made = SCALARS[shape.type]
    known[shape.name] = made = fits_all(made, [each.met for each in constraints_of(shape, kinds)])
    return made


def fits_structure(shape: Shape, required: Collection[str], kinds: frozenset[Kind], known: dict[str, Fits]) -> Fits:
    """For a structure; None stands for what is not given."""
    tests = {name: fitting(member.shape, kinds, known) for name, member in shape.members.items()}
    find = tests.get

    def fits(given: Any) -> bool:
        if not isinstance(given, dict):
            return False
        for name in required:
            if given.get(name) is None:
                return False
        for name, value in given.items():
            test = find(name)
            if test is not None and value is not None and not test(value):
                return False
        return True

    return fits


def fits_list(each: Fits) -> Fits:
    """For a list."""
    return lambda values: isinstance(values, list) and all(map(each, values))


def fits_map(key: Fits, value: Fits) -> Fits:
    """For a map."""
    return lambda found: isinstance(found, dict) and all(map(key, found)) and all(map(value, found.values()))


def fits_all(kind: Fits, met: list[Fits]) -> Fits:
    """For a kind and what else is asked of it."""
    if not met:
        return kind
    if len(met) == 1:
        [only] = met
        return lambda value: kind(value) and only(value)
    return lambda value: kind(value) and all(test(value) for test in met)


# What says why not.


class Fault(NamedTuple):
    """One thing that is wrong. missing: the path of what is not there, in the API's names: "Entries.1.Id"."""

    text: str
    missing: str | None = None


def faults_of(shape: Shape, value: Any, kinds: frozenset[Kind], path: str, api: str) -> Iterator[Fault]:
    """All that is wrong with a value. path: as AWS's texts have it; api: in the API's names.

    Raises ServiceError for a value of the wrong kind: such a request was never read, so nothing else is said of it.
    """
    if shape.type == "structure":
        yield from of_structure(shape, value, kinds, path, api)
    elif shape.type == "list":
        yield from of_list(shape, value, kinds, path, api)
    elif shape.type == "map":
        yield from of_map(shape, value, kinds, path, api)
    elif not SCALARS[shape.type](value):
        raise wrong_kind(value, shape.type)
    for constraint in constraints_of(shape, kinds):
        if not constraint.met(value):
            yield fault(value, path, constraint.text)


def fault(value: Any, path: str, text: str) -> Fault:
    """One that names a value."""
    return Fault(f"Value '{java(value)}' at '{path}' failed to satisfy constraint: {text}")


def absent(path: str, api: str) -> Fault:
    """One for what is not there."""
    return Fault(f"Value null at '{path}' failed to satisfy constraint: Member must not be null", api)


def of_structure(shape: Shape, value: Any, kinds: frozenset[Kind], path: str, api: str) -> Iterator[Fault]:
    """Of its members."""
    if not isinstance(value, dict):
        raise wrong_kind(value, shape.type)
    for name, member in shape.members.items():
        inner, inner_api = joined(path, name[:1].lower() + name[1:]), joined(api, name)
        if value.get(name) is not None:
            yield from faults_of(member.shape, value[name], kinds, inner, inner_api)
        elif name in shape.required and (not path or "members" in kinds):
            yield absent(inner, inner_api)


def joined(path: str, name: str) -> str:
    """The path one step further."""
    return f"{path}.{name}" if path else name


def of_list(shape: Shape, value: Any, kinds: frozenset[Kind], path: str, api: str) -> Iterator[Fault]:
    """Of its elements: those of simple ones are told once, at the list."""
    if not isinstance(value, list):
        raise wrong_kind(value, shape.type)
    if simple(shape.element.shape):
        yield from of_simple(shape.element.shape, value, value, kinds, path, "Member")
        return
    for number, each in enumerate(value, 1):
        yield from faults_of(shape.element.shape, each, kinds, f"{path}.{number}.member", f"{api}.{number}")


def of_map(shape: Shape, value: Any, kinds: frozenset[Kind], path: str, api: str) -> Iterator[Fault]:
    """Of its keys and values: those of simple ones are told once, at the map."""
    if not isinstance(value, dict):
        raise wrong_kind(value, shape.type)
    yield from of_simple(shape.key.shape, list(value), value, kinds, path, "Map keys")
    if simple(shape.value.shape):
        yield from of_simple(shape.value.shape, list(value.values()), value, kinds, path, "Map value")
        return
    for key, each in value.items():
        yield from faults_of(shape.value.shape, each, kinds, f"{path}.{key}.member", f"{api}.{key}")


def simple(shape: Shape) -> bool:
    """Whether a value is one text, number or the like."""
    return shape.type not in ("structure", "list", "map")


def of_simple(
    shape: Shape, values: list[Any], whole: Any, kinds: frozenset[Kind], path: str, what: str
) -> Iterator[Fault]:
    """Of values that are told of with what holds them."""
    for value in values:
        if not SCALARS[shape.type](value):
            raise wrong_kind(value, shape.type)
    constraints = constraints_of(shape, kinds)
    if not all(constraint.met(value) for constraint in constraints for value in values):
        texts = ", ".join(constraint.text for constraint in constraints)
        yield fault(whole, path, f"{what} must satisfy constraint: [{texts}]")


def java(value: Any) -> str:
    """The value as AWS's texts have it, which is Java's way."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}={java(each)}' for name, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(java, value))}]"
    if isinstance(value, (bytes, bytearray)):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
