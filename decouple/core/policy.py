"""Resource policies: who may do what to a queue, as AWS writes it and decides it.

`read_policy` turns a document into statements once, refusing what it does not understand: a policy that is only half
understood lets the wrong ones in. `decide` asks them: a Deny that applies wins, then an Allow that applies, else only the
owner's account may. The order of statements means nothing. Source: IAM user guide, "Policy evaluation logic" and
"Policy grammar"; SQS developer guide, "Quotas related to policies".

Different from AWS: there are no identity policies, so principals of the owner's account may whatever is not denied, and
all principals of an account that a policy names are let in; a statement without Resource is about the resource it
is attached to; principals are not looked up, so those that do not exist are not refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from decouple.core.conditions import Condition, conditions
from decouple.core.patterns import Context, Match, as_list, one_of, pattern
from decouple.core.principals import Named, Principal, named
from decouple.errors import InvalidPolicy

__all__ = ["Decision", "Policy", "Quotas", "Request", "Statement", "decide", "read_policy"]

VERSIONS = ("2008-10-17", "2012-10-17")
PARTS = ("Version", "Id", "Statement")
ELEMENTS = (
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
)  # fmt: skip
SID = re.compile(r"[^\x00-\x1f]{0,256}")


class Quotas(NamedTuple):
    """How much a policy may hold: UTF-8 bytes, statements, principals and conditions in all, actions in each statement."""

    bytes: int = 8_192
    statements: int = 20
    principals: int = 50
    conditions: int = 10
    actions: int = 7


class Request(NamedTuple):
    """What is asked: by whom, which action (`sqs:SendMessage`), on which ARN, and what else is known of it."""

    principal: Principal
    action: str
    resource: str
    context: Context


class Decision(NamedTuple):
    """The answer, and why; by: the statement that decided, None where none did."""

    allowed: bool
    why: str
    by: str | None = None


class Element(NamedTuple):
    """What stands at Action or NotAction, Resource or NotResource."""

    match: Match
    negated: bool
    size: int

    def meets(self, value: str, context: Context) -> bool:
        return self.match(value, context) is not self.negated


class Statement(NamedTuple):
    """One compiled statement. name: how errors and reasons call it."""

    name: str
    sid: str | None
    deny: bool
    who: Named
    all_but: bool
    actions: Element
    resources: Element
    conditions: tuple[Condition, ...]

    def applies(self, request: Request) -> bool:
        """Whether it says anything about this request."""
        context = request.context
        return (
            self._concerns(request.principal)
            and self.actions.meets(request.action, context)
            and self.resources.meets(request.resource, context)
            and all(condition.holds(context) for condition in self.conditions)
        )

    def _concerns(self, who: Principal) -> bool:
        if not self.all_but:
            return self.who.covers(who)
        # "All but these": in doubt a Deny applies and an Allow does not.
        return not (self.who.exempts(who) if self.deny else self.who.covers(who))


class Policy(NamedTuple):
    """A compiled policy: its JSON text as it was given, and its statements, those that deny first."""

    text: str
    statements: tuple[Statement, ...]

    def document(self) -> dict[str, Any]:
        """A copy of the document."""
        import json

        document: dict[str, Any] = json.loads(self.text)
        return document


def decide(
    policy: Policy | None, request: Request, *, owner: str, owner_only: frozenset[str] = frozenset()
) -> Decision:
    """Whether the request may be done to a resource of account `owner`. Cost: O(statements).

    owner_only: actions, without the service, that no policy can give to another account.
    """
    applying = None
    if policy is not None:
        applying = next((one for one in policy.statements if one.applies(request)), None)
    if applying is not None and applying.deny:
        return Decision(False, f"{applying.name} denies it", applying.name)
    if request.principal.account == owner:
        return Decision(True, "it is of the owner's account, and no statement denies it")
    if request.action.partition(":")[2] in owner_only:
        return Decision(False, f"only the owner's account {owner} may, whatever the policy says")
    if applying is not None:
        return Decision(True, f"{applying.name} allows it", applying.name)
    return Decision(False, "there is no policy" if policy is None else "no statement of the policy allows it")


# -- reading ---------------------------------------------------------------------------------------------------------


def read_policy(given: Mapping[str, Any] | str, *, resource: str, service: str, quotas: Quotas | None = None) -> Policy:
    """Compile a policy of `resource` from its document or JSON text. Raises InvalidPolicy.

    service: the prefix its actions must have, as in `sqs:SendMessage`.
    """
    quotas = quotas or Quotas()
    name: str | None = None
    try:
        text, document = text_and_document(given)
        check_amount("bytes", len(text.encode()), quotas.bytes)
        variables = check_frame(document)
        bodies = statements_of(document)
        check_amount("statements", len(bodies), quotas.statements)
        statements: list[Statement] = []
        for position, body in enumerate(bodies, start=1):
            name = name_of(body, position)
            statement = read_statement(name, body, resource, service, variables)
            if statement.sid is not None and statement.sid in {one.sid for one in statements}:
                raise ValueError(f"another statement has the Sid {statement.sid!r} too")
            check_amount("actions", statement.actions.size, quotas.actions)
            statements.append(statement)
        name = None
        check_amount("principals", sum(one.who.size for one in statements), quotas.principals)
        check_amount("conditions", sum(len(one.conditions) for one in statements), quotas.conditions)
    except (ValueError, TypeError) as error:
        raise InvalidPolicy(resource, statement=name, why=str(error)) from error
    return Policy(text, tuple(sorted(statements, key=lambda one: not one.deny)))


def text_and_document(given: Mapping[str, Any] | str) -> tuple[str, dict[str, Any]]:
    import json  # here, because most queues have no policy

    if not isinstance(given, (str, Mapping)):
        raise TypeError(f"expected a dict or JSON text, not {given!r:.80}")
    try:
        text = given if isinstance(given, str) else compact(given)
        document: Any = json.loads(text, object_pairs_hook=without_twins)
    except RecursionError:
        raise ValueError("it is nested too deep, or holds itself") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"it is not JSON as policies are: {error}") from None
    if not isinstance(document, dict):
        raise TypeError(f"expected an object, not {text:.80}")
    return text, document  # pyright: ignore[reportUnknownVariableType]  # JSON


def compact(document: Mapping[str, Any]) -> str:
    import json

    return json.dumps(dict(document), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys differ: of two, JSON readers keep the last, and which one was meant nobody knows."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"a key stands twice in one object, among {', '.join(found):.80}")
    return found


def check_amount(what: str, amount: int, limit: int) -> None:
    if amount > limit:
        raise ValueError(f"it has {amount} {what}, over the {limit} allowed")


def check_frame(document: Mapping[str, Any]) -> bool:
    """What stands around the statements; whether they may have policy variables, which came with the second version."""
    check_known(document, PARTS)
    version = document.get("Version", VERSIONS[0])
    if version not in VERSIONS:
        raise ValueError(f"Version must be {' or '.join(VERSIONS)}, not {version!r:.40}")
    if not isinstance(document.get("Id", ""), str):
        raise TypeError(f"Id must be text, not {document['Id']!r:.80}")
    return bool(version == VERSIONS[1])


def check_known(element: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in element:
        if key not in known:
            raise ValueError(f"{key!r:.40} is not an element of a policy there: {', '.join(known)} are")


def statements_of(document: Mapping[str, Any]) -> list[Any]:
    found = document.get("Statement")
    bodies = as_list(found)
    if not bodies or found is None:
        raise ValueError("it has no Statement: to remove a policy, set it to None")
    return bodies


def name_of(body: Any, position: int) -> str:
    sid = body.get("Sid") if isinstance(body, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # JSON
    return f"statement {sid!r}" if isinstance(sid, str) and sid else f"statement {position}"


def read_statement(name: str, body: Any, resource: str, service: str, variables: bool) -> Statement:
    if not isinstance(body, dict):
        raise TypeError(f"expected an object, not {body!r:.80}")
    element: dict[str, Any] = body  # pyright: ignore[reportUnknownVariableType]  # JSON
    check_known(element, ELEMENTS)
    sid = element.get("Sid")
    if sid is not None and not (isinstance(sid, str) and SID.fullmatch(sid)):
        raise TypeError(f"Sid must be text of at most 256 characters, not {sid!r:.80}")
    effect = element.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise ValueError(f"Effect must be 'Allow' or 'Deny', not {effect!r:.40}")
    who_key = one_key(element, "Principal")
    return Statement(
        name=name,
        sid=sid or None,
        deny=effect == "Deny",
        who=named(element[who_key]),
        all_but=who_key == "NotPrincipal",
        actions=read_actions(element, service),
        resources=read_resources(element, resource, variables),
        conditions=conditions(element.get("Condition", {}), variables=variables),
    )


def one_key(element: Mapping[str, Any], name: str) -> str:
    """`name` or `Not<name>`, whichever is there."""
    keys = [key for key in (name, f"Not{name}") if key in element]
    if len(keys) != 1:
        raise ValueError(f"{name} and Not{name} cannot both be there" if keys else f"{name} is missing")
    return keys[0]


def texts(element: Mapping[str, Any], key: str) -> list[str]:
    value = element[key]
    found = as_list(value)
    if not found or not all(isinstance(text, str) and text for text in found):
        raise TypeError(f"{key} must be text or a list of texts, not {value!r:.80}")
    return found


def read_actions(element: Mapping[str, Any], service: str) -> Element:
    key = one_key(element, "Action")
    found = texts(element, key)
    for action in found:
        if action != "*" and action.partition(":")[0].lower() != service:
            raise ValueError(f"{key} must be '*' or begin with '{service}:', not {action!r:.80}")
    return Element(one_of([pattern(action, fold=True) for action in found]), key.startswith("Not"), len(found))


def read_resources(element: Mapping[str, Any], resource: str, variables: bool) -> Element:
    if "Resource" not in element and "NotResource" not in element:
        return Element(pattern("*"), False, 0)
    key = one_key(element, "Resource")
    found = texts(element, key)
    matches = [pattern(text, variables=variables) for text in found]
    for text, match in zip(found, matches, strict=True):
        unknown = variables and "${" in text
        if key == "Resource" and not unknown and not match(resource, {}):
            raise ValueError(f"Resource must be {resource!r} or a pattern of it, not {text!r:.200}")
    return Element(one_of(matches), key.startswith("Not"), len(found))
