"""What one turn adds to the metrics."""

from __future__ import annotations

from kit.metrics.matching import matches
from kit.task import Record

from .figures import figures
from .schema import SupportResponse
from .tone import tone


def compare(expected: SupportResponse, actual: SupportResponse) -> Record:
    """Compare the decision (intent, action, sources, reason), then the reply's figures, and measure its tone."""
    record: dict[str, float] = dict(
        matches(*([(each.intent, "")] if each.intent else [] for each in (expected, actual)))
    )
    record["right"] = float(_decision(expected) == _decision(actual))
    record["action_right"] = float(expected.action == actual.action)
    if expected.intent == "out_of_scope":
        record |= {"scope_asked": 1.0, "scope_found": float(actual.intent == "out_of_scope")}
    due, given = expected.action == "hand_off", actual.action == "hand_off"
    record |= {
        "handed": float(due and given),
        "handed_wrongly": float(given and not due),
        "not_handed": float(due and not given),
    }
    if actual.action == "reply" or actual.checks:
        record |= {"drafted": 1.0, "grounded": float(not actual.checks)}
    return {**record, **_figures(expected, actual), **(tone(actual.reply) if actual.action == "reply" else {})}


def _decision(response: SupportResponse) -> tuple[object, ...]:
    reason = response.hand_off.reason if response.hand_off else None
    return response.intent, response.action, frozenset(response.sources), reason


def _figures(expected: SupportResponse, actual: SupportResponse) -> Record:
    """Count the figures of the expected reply that the actual reply says, too."""
    if expected.action != "reply":
        return {}
    due = {(each.kind, each.value) for each in figures(expected.reply)}
    said = {(each.kind, each.value) for each in figures(actual.reply)} if actual.action == "reply" else set()
    return {"figures_due": float(len(due)), "figures_said": float(len(due & said))}
