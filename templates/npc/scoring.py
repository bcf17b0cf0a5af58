"""What one turn adds to the metrics, and the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from kit.metrics.reductions import mean_of
from kit.metrics.rouge import rouge_l
from kit.metrics.similarity import word_list
from kit.task import Metric, Record

from .schema import NONE, SceneResponse

_PAIR = "pair:"
_OUT_OF_CHARACTER = {"speaks_for_player", "breaks_character", "modern_word"}


def compare(expected: SceneResponse, actual: SceneResponse) -> Record:
    """Return what one turn adds. An action is right only if the model proposed it, not if it was put in its place."""
    faults = set(actual.faults)
    valid = not faults & {"invalid_action", "unreadable"}
    record = {
        "right": float(valid and expected.action == actual.action),
        "valid": float(valid),
        "leak": float("leak" in faults),
        "refused_right": float(expected.refused == actual.refused and "unreadable" not in faults),
        "in_character": float(not faults & _OUT_OF_CHARACTER),
        "fallback": float(actual.fallback),
        "overlap": rouge_l(expected.line, actual.line),
    }
    if expected.action.name == NONE:
        record["over_acted"] = float(actual.action.name != NONE)
    if expected.refused:
        record["refusal_found"] = float(actual.refused)
    for pair in pairwise(word_list(actual.line)):
        name = _PAIR + " ".join(pair)
        record[name] = record.get(name, 0.0) + 1.0
    return record


def distinct_pairs(records: Sequence[Record]) -> float | None:
    """Return the share of distinct word pairs among all of them (distinct-2, Li et al. 2016)."""
    counts: dict[str, float] = {}
    for record in records:
        for name, count in record.items():
            if name.startswith(_PAIR):
                counts[name] = counts.get(name, 0.0) + count
    total = sum(counts.values())
    return len(counts) / total if total else None


METRICS: Mapping[str, Metric] = {
    "action_accuracy": mean_of("right", description="Turns with the right action and target in this state"),
    "action_validity": mean_of("valid", description="Turns whose proposed action the state allows"),
    "over_acting": mean_of("over_acted", False, "Turns that call for no action, and got one"),
    "refusal_accuracy": mean_of("refused_right", description="Turns rightly refused, or rightly not"),
    "refusal_recall": mean_of("refusal_found", description="Of the turns that must be refused, those that were"),
    "leak_rate": mean_of("leak", False, "Turns in which the model gave away what the character does not know"),
    "in_character": mean_of("in_character", description="Turns in which the model stayed in its world and role"),
    "fallback_rate": mean_of("fallback", False, "Turns in which the fallback line replaced the model's"),
    "line_overlap": mean_of("overlap", description="Word overlap with the written line, in order (ROUGE-L F1)"),
    "distinct_2": Metric(distinct_pairs, True, "Distinct word pairs among all word pairs of the lines"),
}
