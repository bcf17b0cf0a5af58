"""Each rule of the bench of sampled answers finds its violation, and finds none in an answer that is right."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bench import sampled
from bench.shared.unchecked import BELIEVED
from bench.shared.violations import RULES, Written, numbers
from kit.evals.figures import write_figures
from kit.project.template import list_templates

CONTRACT = {"text": "1. This Agreement is governed\nby the law of Sweden."}
QUESTION = {"question": "?", "evidence": [{"id": "a", "text": "Take 20 mg twice."}, {"id": "b", "text": "Take 5 mg."}]}
THREAD = {"thread": [], "passages": [{"id": "kb.fee", "text": "It costs €65 after 16 days."}]}
TABLE = {
    "title": "Brindle, Q3 2031",
    "table": [
        {"measure": "sales", "unit": "EUR million", "period": "Q3 2031", "value": 1200.0},
        {"measure": "sales", "unit": "EUR million", "period": "Q2 2031", "value": 1000.0},
    ],
}
SCENE = {
    "character": {"does_not_know": [{"topic": "the thief", "tells": ["Oslin"]}]},
    "state": {"valid_actions": [{"name": "sell", "targets": ["lamp", "rope"]}, {"name": "call_guard"}]},
}
BRIEF = {"brief": ["price: 6 pounds"]}
TOOLS = {"tools": [{"function": {"name": "find_book"}}]}
CODE = {"prefix": "def f():\n", "suffix": "\nprint(f())\n"}


def quotes(*found: str) -> str:
    return '{"governing law":[' + ",".join(f'"{each}"' for each in found) + "]}"


def clause(start: int, end: int, exact: str) -> dict[str, Any]:
    return {"clauses": [{"start": start, "end": end, "exact": exact}]}


def answered(text: str, *evidence: str) -> dict[str, Any]:
    return {"status": "answered", "answer": text, "evidence": evidence}


def draft(text: str, *sources: int) -> str:
    return json.dumps({"intent": "bill", "action": "reply", "sources": sources, "reason": None, "text": text})


def reply(text: str, *sources: str) -> dict[str, Any]:
    return {"action": "reply", "reply": text, "sources": sources}


def scene(action: str, line: str = "Fine.") -> str:
    return f'{{"action":"{action}","refused":false,"line":"{line}"}}'


def acted(name: str, target: str | None, line: str = "Fine.") -> dict[str, Any]:
    return {"action": {"name": name, "target": target}, "line": line}


def call(name: str) -> str:
    return f'<tool_call>{{"name":"{name}","arguments":{{}}}}</tool_call>'


def called(name: str) -> dict[str, Any]:
    return {"message": {"tool_calls": [{"function": {"name": name}}]}}


CASES: list[tuple[str, int, dict[str, Any], tuple[list[str], list[str]], dict[str, Any], dict[str, Any]]] = [
    # template, rule, request, (a text that breaks it, one that does not), a response that breaks it, one that does not
    ("legal", 0, CONTRACT, ([quotes("governed by the laws")], [quotes("governed by the law of Sweden.")]),
     clause(0, 5, "1. Thi"), clause(3, 29, "This Agreement is governed")),
    ("medical", 0, QUESTION, (["yes", '{"evidence":[1],"answer":"Take 30 mg."}'],
                              ["yes", '{"evidence":[1],"answer":"Take 20 mg."}']),
     answered("Take 20 mg.", "b"), answered("Take 20 mg.", "a")),
    ("support", 0, THREAD, ([draft("It costs €60.", 1)], [draft("It costs €65.", 1)]),
     reply("After 17 days.", "kb.fee"), reply("After 16 days.", "kb.fee")),
    ("finance", 0, TABLE, (["Sales were EUR 1,300 million."], ["Sales rose by 20.0 % to EUR 1.2 billion in Q3 2031."]),
     {"status": "ok", "text": "Sales rose by 30 %."}, {"status": "flagged", "text": "Sales rose by 30 %."}),
    ("brand", 0, BRIEF, (["Yours for 7 pounds."], ["Yours for 6 pounds."]),
     {"status": "ok", "text": "Yours for 7."}, {"status": "flagged", "text": "Yours for 7."}),
    ("npc", 0, SCENE, ([scene("sell: crown")], [scene("3")]), acted("sell", None), acted("sell", "rope")),
    ("npc", 1, SCENE, ([scene("none", "It was oslin!")], [scene("none")]),
     acted("none", None, "Ask Oslin."), acted("none", None)),
    ("chat", 0, TOOLS, ([call("pay")], [call("find_book")]), called("pay"), called("find_book")),
    ("code", 0, CODE, (["    return 1<|fim_suffix|>"], ["    return 1"]),
     {"completion": "<|endoftext|>"}, {"completion": "    return 1"}),
    ("code", 1, CODE, (["    return 1\nprint(f())"], ["    return 1"]),
     {"completion": "    return 1\nprint(f())"}, {"completion": "    return 1"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "rule", "request_", "texts", "wrong", "right"), CASES)
def test_a_rule_finds_its_violation_in_the_models_text_and_in_the_response(
    name: str,
    rule: int,
    request_: dict[str, Any],
    texts: tuple[list[str], list[str]],
    wrong: dict[str, Any],
    right: dict[str, Any],
) -> None:
    found = RULES[name][rule]
    assert [found.wrote(request_, Written([""] * len(each), each)) for each in texts] == [True, False]
    assert [found.answered(request_, each) for each in (wrong, right)] == [True, False]


def test_every_rule_has_a_case_here_and_every_template_for_a_domain_has_a_rule() -> None:
    assert sorted((name, at) for name, rules in RULES.items() for at in range(len(rules))) == sorted(
        (name, rule) for name, rule, *_ in CASES
    )
    assert set(RULES) == {each.name for each in list_templates() if not each.is_starter}


def test_a_sentence_number_that_was_not_shown_is_a_misquote() -> None:
    (rule,) = RULES["legal"]
    shown = "This is governed by the law. [1]\nSigned. [2]"
    assert rule.wrote(CONTRACT, Written([shown], ['{"3":"governing law"}']))
    assert not rule.wrote(CONTRACT, Written([shown], ['{"2":"governing law"}']))


def test_numbers_are_read_with_grouped_thousands_and_without_names_of_quarters() -> None:
    assert numbers("In Q3 2031, 1,821 users and 39.10 %.") == {Decimal(2031), Decimal(1821), Decimal("39.1")}


def test_what_a_model_said_is_believed_without_the_checker() -> None:
    believed = BELIEVED["support"](THREAD, Written([""], [draft("It costs €60.", 1)]))
    assert believed is not None
    assert (believed["reply"], believed["sources"]) == ("It costs €60.", ["kb.fee"])
    assert BELIEVED["npc"](SCENE, Written([""], [scene("sell: crown")])) is None
    acted_on = BELIEVED["npc"](SCENE, Written([""], [scene("1", "Ask Oslin.")]))
    assert acted_on is not None
    assert (acted_on["action"], acted_on["line"]) == ({"name": "sell", "target": "lamp"}, "Ask Oslin.")


def test_templates_that_are_not_measured_again_keep_their_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("<!-- figures:sampled -->\n<!-- /figures -->\n")
    table = (
        "| figure | answers | before | with |\n| --- | --- | --- | --- |\n"
        "| npc: a | 1000 | 3 | 0.5 |\n| npc: b | 1000 | 0 |  |\n| legal, freer | 10 | 1 |  |"
    )
    write_figures(page, "sampled", table)
    monkeypatch.setattr(sampled, "PAGE", page)
    assert sampled._measured_before("npc") == {
        "npc: a": {"answers": 1000, "before": 3, "with": 0.5},
        "npc: b": {"answers": 1000, "before": 0},
    }
    assert sampled._measured_before("code") == {"code": {"no answer has": "not measured"}}
