"""What EventBridge has and decouple has not, each with the reason."""

from __future__ import annotations

from decouple.aws.events import EVENTS
from decouple.aws.refusals import refuse

__all__: list[str] = []

ARCHIVES = "events are not archived, and so not replayed"
DESTINATIONS = "no event leaves for an API elsewhere: subscribe an HTTP endpoint to a topic"
ENDPOINTS = "there is one region at a time, and nothing to fail over to"
PARTNERS = "there are no partners: put their events with PutEvents"
POLICIES = "buses have no policies: events come from the account of the bus"

REFUSED = {
    **dict.fromkeys(("CreateArchive", "DeleteArchive", "DescribeArchive", "ListArchives", "UpdateArchive"), ARCHIVES),
    **dict.fromkeys(("StartReplay", "CancelReplay", "DescribeReplay", "ListReplays"), ARCHIVES),
    **dict.fromkeys(
        [f"{verb}ApiDestination" for verb in ("Create", "Delete", "Describe", "Update")]
        + [f"{verb}Connection" for verb in ("Create", "Deauthorize", "Delete", "Describe", "Update")]
        + ["ListApiDestinations", "ListConnections"],
        DESTINATIONS,
    ),
    **dict.fromkeys(
        [f"{verb}Endpoint" for verb in ("Create", "Delete", "Describe", "Update")] + ["ListEndpoints"], ENDPOINTS
    ),
    **dict.fromkeys(
        [f"{verb}EventSource" for verb in ("Activate", "Deactivate", "Describe")]
        + [f"{verb}PartnerEventSource" for verb in ("Create", "Delete", "Describe")]
        + ["ListEventSources", "ListPartnerEventSources", "ListPartnerEventSourceAccounts", "PutPartnerEvents"],
        PARTNERS,
    ),
    **dict.fromkeys(("PutPermission", "RemovePermission"), POLICIES),
}
"""By operation."""


refuse(EVENTS, REFUSED)
