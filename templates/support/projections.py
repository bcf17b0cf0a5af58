"""The hand-off as the payloads of three desks. Pure functions: your code sends what they return.

Each returns the calls to make, in order: method, path and body, as the desks' public APIs document them. A response
that hands nothing over raises InputError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from kit.errors import InputError

from .schema import HandOff, SupportResponse


@dataclass(frozen=True)
class Call:
    """One HTTP call to a desk: its path is below the desk's own address."""

    method: str
    path: str
    body: dict[str, Any]


def chatwoot(response: SupportResponse, account: int, conversation: int) -> list[Call]:
    """Open the conversation for people, and leave a private note (Chatwoot application API, v1)."""
    left = _hand_off(response)
    place = f"/api/v1/accounts/{account}/conversations/{conversation}"
    private = {"content": note(response, left), "message_type": "outgoing", "private": True, "content_type": "text"}
    return [
        Call("POST", f"{place}/toggle_status", {"status": "open"}),
        Call("POST", f"{place}/messages", private),
    ]


def zendesk(response: SupportResponse, ticket: int, group: int, tags: Sequence[str] = ()) -> list[Call]:
    """Update the ticket with an internal comment and a group (Zendesk ticketing API, v2).

    An update replaces the tags of a ticket, so give those that it has as `tags`.
    """
    left = _hand_off(response)
    update: dict[str, Any] = {
        "status": "open",
        "group_id": group,
        "tags": list(dict.fromkeys([*tags, *_tags(response, left)])),
        "comment": {"body": note(response, left), "public": False},
    }
    if left.reason == "danger":
        update["priority"] = "urgent"
    return [Call("PUT", f"/api/v2/tickets/{ticket}.json", {"ticket": update})]


def intercom(response: SupportResponse, conversation: str, admin: str, team: str) -> list[Call]:
    """Leave a note in the conversation and assign it to a team (Intercom REST API, 2.x)."""
    left = _hand_off(response)
    place = f"/conversations/{quote(conversation, safe='')}"
    written = {"message_type": "note", "type": "admin", "admin_id": admin, "body": note(response, left)}
    assigned = {"message_type": "assignment", "type": "team", "admin_id": admin, "assignee_id": team}
    return [Call("POST", f"{place}/reply", written), Call("POST", f"{place}/parts", assigned)]


def note(response: SupportResponse, left: HandOff) -> str:
    """Return the words of the note: why, what for, and what the checker found."""
    lines = [f"Handed over by the bot: {left.reason.replace('_', ' ')}.", left.summary]
    if response.intent:
        lines.append(f"About: {response.intent.replace('_', ' ')}.")
    lines += [f"Withheld, {each.kind}: {each.text}" for each in response.checks]
    return "\n".join(lines)


def _tags(response: SupportResponse, left: HandOff) -> list[str]:
    return ["bot_hand_off", f"reason_{left.reason}", *([f"intent_{response.intent}"] if response.intent else [])]


def _hand_off(response: SupportResponse) -> HandOff:
    if response.hand_off is None:
        advice = "Call this only if `action` is `hand_off`."
        raise InputError(f"This response hands nothing over: its action is '{response.action}'.", "hand_off", advice)
    return response.hand_off
