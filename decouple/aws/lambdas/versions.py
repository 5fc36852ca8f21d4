"""Versions and aliases: stored, shown and resolved; what runs is $LATEST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.aws.lambdas import LAMBDA
from decouple.aws.lambdas.configuration import shown
from decouple.aws.lambdas.names import LATEST, Found, find, invalid, not_found
from decouple.aws.lambdas.pages import page
from decouple.aws.lambdas.publishing import publish
from decouple.aws.lambdas.records import new_revision
from decouple.aws.lambdas.updates import check_revision

if TYPE_CHECKING:
    from decouple.aws.errors import ServiceError
    from decouple.aws.service import Answer, Given
    from decouple.aws.world import Call

__all__: list[str] = []

STORED = "what runs is $LATEST"
MOST_LISTED = 50


@LAMBDA.operation("PublishVersion", "stored", STORED)
def publish_version(call: Call, given: Given) -> Answer:
    """Keep the configuration of $LATEST under the next number."""
    found = find(call, given["FunctionName"], action="lambda:PublishVersion")
    check_revision(found.deployed.revision, given)
    current, wanted = found.deployed.config["CodeSha256"], given.get("CodeSha256")
    if wanted and wanted != current:
        raise invalid(
            f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the "
            "CodeSHA256 in $LATEST."
        )
    return publish(found.place, found.function, found.deployed, given.get("Description"))


@LAMBDA.operation("ListVersionsByFunction", "stored", STORED)
def list_versions_by_function(call: Call, given: Given) -> Answer:
    """$LATEST, then the versions in their order."""
    found = find(call, given["FunctionName"], action="lambda:ListVersionsByFunction")
    latest = shown(found.place, found.function, found.deployed)
    listed = {LATEST: latest | {"FunctionArn": f"{found.function.arn}:{LATEST}"}, **found.deployed.versions}
    for one in ("State", "LastUpdateStatus", "RuntimeVersionConfig"):
        listed = {version: {name: config[name] for name in config if name != one} for version, config in listed.items()}
    return page("Versions", listed, given, MOST_LISTED)


@LAMBDA.operation("CreateAlias", "stored", STORED)
def create_alias(call: Call, given: Given) -> Answer:
    """A name for a version."""
    found = find(call, given["FunctionName"], action="lambda:CreateAlias")
    name, arn = given["Name"], f"{found.function.arn}:{given['Name']}"
    if name in found.deployed.aliases:
        raise LAMBDA.error("ResourceConflictException", f"Alias already exists: {arn}")
    check_version(found, given["FunctionVersion"])
    alias: dict[str, Any] = {
        "AliasArn": arn,
        "Name": name,
        "FunctionVersion": given["FunctionVersion"],
        "Description": given.get("Description", ""),
        "RevisionId": new_revision(),
    }
    route(found, alias, given)
    found.deployed.aliases[name] = alias
    return dict(alias)


@LAMBDA.operation("GetAlias", "stored", STORED)
def get_alias(call: Call, given: Given) -> Answer:
    """An alias."""
    found = find(call, given["FunctionName"], action="lambda:GetAlias")
    return dict(alias_of(found, given["Name"]))


@LAMBDA.operation("UpdateAlias", "stored", STORED)
def update_alias(call: Call, given: Given) -> Answer:
    """Let it name another version."""
    found = find(call, given["FunctionName"], action="lambda:UpdateAlias")
    alias = dict(alias_of(found, given["Name"]))
    check_revision(alias["RevisionId"], given)
    if given.get("FunctionVersion") is not None:
        check_version(found, given["FunctionVersion"])
        alias["FunctionVersion"] = given["FunctionVersion"]
    if given.get("Description") is not None:
        alias["Description"] = given["Description"]
    route(found, alias, given)
    alias["RevisionId"] = new_revision()
    found.deployed.aliases[given["Name"]] = alias
    return dict(alias)


@LAMBDA.operation("DeleteAlias", "stored", STORED)
def delete_alias(call: Call, given: Given) -> Answer:
    """Forget an alias; one that is not there is no error."""
    found = find(call, given["FunctionName"], action="lambda:DeleteAlias")
    if found.deployed.aliases.pop(given["Name"], None) is not None:
        found.deployed.forget(given["Name"])
    return {}


@LAMBDA.operation("ListAliases", "stored", STORED)
def list_aliases(call: Call, given: Given) -> Answer:
    """The aliases by name, of one version if asked."""
    found = find(call, given["FunctionName"], action="lambda:ListAliases")
    wanted = given.get("FunctionVersion")
    listed = {
        name: dict(alias)
        for name, alias in sorted(found.deployed.aliases.items())
        if wanted in (None, alias["FunctionVersion"])
    }
    return page("Aliases", listed, given, MOST_LISTED)


def alias_of(found: Found, name: str) -> dict[str, Any]:
    alias = found.deployed.aliases.get(name)
    if alias is None:
        raise no_alias(f"{found.function.arn}:{name}")
    return alias


def no_alias(arn: str) -> ServiceError:
    return LAMBDA.error("ResourceNotFoundException", f"Cannot find alias arn: {arn}")


def check_version(found: Found, version: str) -> None:
    if version != LATEST and version not in found.deployed.versions:
        raise not_found(f"{found.function.arn}:{version}")


def route(found: Found, alias: dict[str, Any], given: Given) -> None:
    """The share of a second version, kept."""
    if given.get("RoutingConfig") is None:
        return
    weights: dict[str, float] = given["RoutingConfig"].get("AdditionalVersionWeights") or {}
    alias.pop("RoutingConfig", None)
    if len(weights) > 1:
        raise invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    for version, weight in weights.items():
        check_version(found, version)
        if version == alias["FunctionVersion"]:
            raise invalid(
                f"Invalid function version {version}. Function version {version} is already included in routing "
                "configuration."
            )
        alias["RoutingConfig"] = {"AdditionalVersionWeights": {version: weight}}
