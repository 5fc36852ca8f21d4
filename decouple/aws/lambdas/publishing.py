"""A published version: the configuration as it was. What runs is $LATEST, whatever the version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from decouple.aws.lambdas.configuration import shown

if TYPE_CHECKING:
    from decouple.aws.lambdas.records import Deployed
    from decouple.aws.world import Place
    from decouple.function import Function

__all__ = ["publish"]

NOT_COMPARED = ("Description", "FunctionArn", "LastModified", "RevisionId", "Version")


def publish(place: Place, function: Function, deployed: Deployed, description: str | None) -> dict[str, Any]:
    """Its next version; the last one again if nothing has changed since."""
    latest = shown(place, function, deployed)
    last = deployed.versions.get(str(deployed.last_version))
    if last is not None and all(last.get(one) == latest.get(one) for one in latest if one not in NOT_COMPARED):
        return dict(last)
    deployed.last_version += 1
    version = str(deployed.last_version)
    latest |= {"Version": version, "FunctionArn": f"{function.arn}:{version}"}
    if description is not None:
        latest["Description"] = description
    deployed.versions[version] = latest
    return dict(latest)
