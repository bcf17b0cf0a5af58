"""Reports: what the table does not support is flagged, whatever a model writes. No model is needed here."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest
from finance_parts import module, said, scores  # type: ignore[import-not-found]
from pydantic import ValidationError

from kit.errors import InputError
from kit.task import Completion, Example, Task, UnreadableAnswer

Rows = dict[str, list[Example[Any, Any]]]
CELLS = [
    ("revenue", "USD million", "Q3 2031", 14.2),
    ("revenue", "USD million", "Q2 2031", 12.6),
    ("revenue", "USD million", "Q3 2030", 13.2),
    ("operating margin", "%", "Q3 2031", 8.1),
    ("operating margin", "%", "Q2 2031", 9.4),
    ("net result", "USD thousand", "Q3 2031", -420),
    ("net result", "USD thousand", "Q2 2031", 35),
    ("shops", "stores", "Q3 2031", 1214),
    ("shops", "stores", "Q2 2031", 1190),
]
TABLE = [dict(zip(("measure", "unit", "period", "value"), cell, strict=True)) for cell in CELLS]


def written(task: Task[Any, Any], text: str) -> Any:
    request = task.request_type.model_validate({"title": "Brindle Foods, Q3 2031", "table": TABLE})
    return task.read(request, [said(text)])


@pytest.mark.parametrize(
    "text",
    [
        "Revenue rose by 12.7 % to USD 14.2 million in Q3 2031.",
        "Revenue was $14.2m in the third quarter of 2031, up 12.7 percent from 12.6 million dollars in Q2 2031.",
        "Revenue was USD 14,200 thousand, USD 1 million more than a year earlier.",
        "A 12.7 % increase took revenue to USD 14.2 million.",
        "Revenue came to USD 14.2 million (Q2 2031: USD 12.6 million).",
        "In Q2 2031, revenue was USD 12.6 million and in Q3 2031 USD 14.2 million.",
        "The operating margin fell by 1.3 percentage points to 8.1 %. It had been 9.4 % in Q2 2031.",
        "The operating margin fell by 130 basis points.",
        "The net result was a loss of USD 0.42 million, after USD 35 thousand in Q2 2031.",
        "The net result was USD -420 thousand.",
        "The net result was minus USD 420 thousand, against USD 35 thousand a quarter earlier.",
        "Shops grew 2 % to 1,214 stores from 1,190 in Q2.",
        "Shops: 1,214 stores, 24 stores more than in Q2 2031.",
    ],
)
def test_what_the_table_supports_is_ok(report: Task[Any, Any], text: str) -> None:
    found = written(report, text)
    assert [(each.quote, each.reason) for each in found.figures if each.reason] == []
    assert found.status == "ok"


@pytest.mark.parametrize(
    ("text", "quote", "reason"),
    [
        ("Revenue was USD 14.3 million.", "USD 14.3 million", "does not have this amount"),
        ("Revenue was USD 14.2 billion.", "USD 14.2 billion", "factor of a thousand"),
        ("Revenue was USD 14.2 thousand.", "USD 14.2 thousand", "factor of a thousand"),
        ("Revenue was EUR 14.2 million.", "EUR 14.2 million", "unit"),
        ("Revenue was 14.2 %.", "14.2 %", "unit"),
        ("Revenue was 14.2 million.", "14.2 million", "unit"),
        ("Revenue was USD -14.2 million.", "USD -14.2 million", "wrong sign"),
        ("Revenue was a loss of USD 14.2 million.", "USD 14.2 million", "wrong sign"),
        ("Revenue was USD 14.2 million in Q2 2031.", "USD 14.2 million", "another period"),
        ("Revenue was USD 12.6 million.", "USD 12.6 million", "another period"),
        ("In Q2 2031, all was well. Revenue was USD 14.2 million.", "USD 14.2 million", "another period"),
        ("Revenue was USD 14.2 million in Q4 2031.", "USD 14.2 million", "no such period"),
        ("Revenue was USD 14.2 million in 2031.", "USD 14.2 million", "no such period"),
        ("Revenue was USD 14 million in Q1 2031.", "USD 14 million", "no such period"),
        ("Revenue rose by 12.8 %.", "12.8 %", "not the change"),
        ("Revenue fell by 12.7 %.", "12.7 %", "not the change"),
        ("Revenue rose by 7.6 % on the previous quarter.", "7.6 %", "not the change"),
        ("Revenue rose 12.7 % year on year.", "12.7 %", "not the change"),
        ("Revenue rose by USD 16 million.", "USD 16 million", "not the change"),
        ("Revenue did not rise by 12.7 %.", "12.7 %", "denies"),
        ("Revenue rose by -12.7 %.", "-12.7 %", "contradict"),
        ("Revenue fell to USD 14.2 million from USD 12.6 million.", "fell", "does not show"),
        ("Revenue declined. Shops: 1,214 stores.", "declined", "does not show"),
        ("The operating margin fell by 1.3 %.", "1.3 %", "not the change"),
        ("The operating margin rose by 1.3 percentage points.", "1.3 percentage points", "not the change"),
        ("The operating margin was 81 %.", "81 %", "does not have this amount"),
        ("The net result was USD 420 thousand.", "USD 420 thousand", "wrong sign"),
        ("The net result was USD -420 million.", "USD -420 million", "factor of a thousand"),
        ("The net result fell by 1,300 %.", "1,300 %", "not the change"),
        ("Shops: 1,214 cars.", "1,214", "does not count stores"),
        ("Shops: 1214 thousand stores.", "1214 thousand", "factor of a thousand"),
        ("Cash was USD 14.2 million.", "USD 14.2 million", "names no measure"),
        ("Revenue was fine. Cash was USD 14.2 million.", "USD 14.2 million", "names no measure"),
        ("Revenue was fourteen million dollars.", "fourteen million", "plain digits"),
        ("Revenue doubled.", "doubled", "plain digits"),
        ("Revenue was 14.2.2 million.", "14.2.2 million", "plain digits"),
        ("Revenue was USD 1,42 million.", "USD 1,42 million", "plain digits"),
        ("Revenue was USD 12-14.2 million.", "14.2 million", "plain digits"),
        ("Revenue was 3x that of USD 14.2 million.", "3", "plain digits"),
        ("Revenue was USD \uff11\uff14.\uff12 billion.", "USD \uff11\uff14.\uff12 billion", "factor of a thousand"),
        ("Revenue rose by a third.", "a third", "plain digits"),
        ("Revenue was USD 14.2 million, and twelve stores opened.", "twelve", "plain digits"),
        ("Shops: 1,214 stores, ten stores of them new.", "ten stores", "plain digits"),
        ("Revenue was \u4e94 and USD 14.2 million.", "\u4e94", "plain digits"),
        ("Revenue was unchanged at USD 14.2 million.", "unchanged", "does not show"),
        ("Revenue did not rise and was USD 14.2 million.", "rise", "does not show"),
        ("Revenue was A$14.2 million.", "14.2 million", "unit"),
        ("Shops: 1.214 stores.", "1.214", "factor of a thousand"),
        ("Revenue rose to USD 14.2 million from USD 13.2 million in Q2 2031.", "USD 13.2 million", "another"),
        ("Revenue was \u00bd of costs.", "\u00bd", "plain digits"),
    ],
)
def test_a_slip_is_flagged_and_named(report: Task[Any, Any], text: str, quote: str, reason: str) -> None:
    found = written(report, text)
    assert found.status == "flagged"
    assert [each.quote for each in found.figures if each.reason and reason in each.reason] == [quote], found.figures


@pytest.mark.parametrize(
    "text",
    [
        "Revenue rose from USD 14.2 million to USD 12.6 million.",
        "Revenue was USD 14.2\u00b2 million.",
        "Revenue was USD 14.2e3 million.",
        "Revenue was USD 1\u200b4.2 million.",
        "Revenue was USD 14.2 million, and cash was USD 12.6 million.",
        "Shops: 1,214 stores, of which twelve hundred are new.",
        "Revenue was USD 14.2 million; it was USD 14.2 million a year earlier.",
        "Revenue was USD 14.2 million on 30 September.",
        "Revenue rose 2031 %.",
    ],
)
def test_other_slips_are_flagged(report: Task[Any, Any], text: str) -> None:
    assert written(report, text).status == "flagged"


def test_a_supported_figure_names_its_cell(report: Task[Any, Any]) -> None:
    rise, value = written(report, "Revenue rose by 12.7 % to USD 14.2 million in Q3 2031.").figures
    assert rise.model_dump(exclude_none=True, exclude={"start", "end"}) == {
        "quote": "12.7 %", "state": "supported", "kind": "percent_change", "measure": "revenue", "unit": "USD million",
        "sign": "+", "period": "Q3 2031", "compared_with": "Q2 2031",
    }  # fmt: skip
    assert (value.kind, value.measure, value.period, value.sign) == ("value", "revenue", "Q3 2031", "+")


@pytest.mark.parametrize("text", ["All went well.", "Revenue rose.", "I cannot help with that.", "[[[", "\x00"])
def test_a_text_without_a_figure_is_never_ok(report: Task[Any, Any], text: str) -> None:
    assert written(report, text).status == "flagged"


def test_an_empty_or_cut_answer_is_refused(report: Task[Any, Any]) -> None:
    request = report.request_type.model_validate({"title": "Brindle Foods", "table": TABLE})
    for wrong in (Completion("  \n"), Completion("Revenue was USD 14.2", finish="length")):
        with pytest.raises(UnreadableAnswer):
            report.read(request, [wrong])


def test_of_a_thousand_reports_with_one_changed_figure_each_is_flagged(report: Task[Any, Any], reports: Rows) -> None:
    """The model changes one digit, the scale, or the sign of one figure, so that it is no longer a rounding of it."""
    rng, done = random.Random(11), 0
    while done < 1000:
        row = rng.choice(reports["test"])
        figure = rng.choice([each for each in row.response.figures if each.kind == "value"])
        forged = rng.choice((_digit, _scale, _sign))(rng, figure.quote)
        if forged is None:
            continue
        text = row.response.text[: figure.start] + forged + row.response.text[figure.end :]
        found = report.read(row.request, [said(text)])
        assert found.status == "flagged", (row.response.text, text)
        done += 1


def _digit(rng: random.Random, quote: str) -> str | None:
    places = [at for at, letter in enumerate(quote) if letter.isdigit()]
    at = places[0]
    return quote[:at] + rng.choice([each for each in "123456789" if each != quote[at]]) + quote[at + 1 :]


def _scale(rng: random.Random, quote: str) -> str | None:
    scales = ["thousand", "million", "billion"]
    own = next((each for each in scales if each in quote), None)
    return quote.replace(own, rng.choice([each for each in scales if each != own])) if own else None


def _sign(rng: random.Random, quote: str) -> str | None:  # noqa: ARG001
    if "-" in quote:
        return quote.replace("-", "")
    at = next(at for at, letter in enumerate(quote) if letter.isdigit())
    return quote[:at] + "-" + quote[at:] if at == 0 or quote[at - 1] == " " else None


def test_a_thousand_texts_of_random_pieces_never_break_the_promise(report: Task[Any, Any]) -> None:
    pieces = [
        "Revenue", "revenue", "the operating margin", "net result", "shops", "cash", "was", "rose", "fell", "by", "to",
        "up", "from", "a loss of", "not", "in Q3 2031", "in Q2 2031", "in Q9 2031", "a year earlier", "USD", "EUR", "$",
        "14.2", "12.6", "-420", "(420)", "35", "8.1 %", "9.4", "1,214", "stores", "million", "thousand", "bn",
        "percentage points",
        "12.7 %", ",", ".", ";", "\n", "(", ")", "2031", "\u0661\u0662", "1e9", "0x14", "\x00", "twelve million",
    ]  # fmt: skip
    rng, numbers, units = random.Random(3), {"14.2", "12.6", "420", "35", "8.1", "9.4", "1,214", "12.7"}, 0
    for _ in range(1000):
        text = "".join(rng.choice(pieces) + rng.choice(["", " ", " "]) for _ in range(rng.randint(1, 30)))
        if not text.strip():
            continue
        found = written(report, text)
        sound = [each for each in found.figures if each.state == "supported"]
        assert (found.status == "ok") == (bool(sound) and len(sound) == len(found.figures))
        for each in found.figures:
            assert found.text[each.start : each.end] == each.quote
        for each in sound:
            units += 1
            assert any(number in each.quote for number in numbers)
            cells = {(cell[0], cell[1], cell[2]) for cell in CELLS}
            assert (each.measure, each.unit, each.period) in cells
    assert units > 20


def test_a_forged_response_cannot_be_made(report: Task[Any, Any]) -> None:
    sound = written(report, "Revenue was USD 14.2 million.").model_dump()
    forged: list[dict[str, Any]] = [{"status": "flagged"}, {"figures": []}, {"text": "Revenue was USD 19.9 million."}]
    for wrong in forged:
        with pytest.raises(ValidationError):
            report.response_type.model_validate({**sound, **wrong})
    flagged = written(report, "Revenue was USD 19.9 million.").model_dump()
    with pytest.raises(ValidationError):
        report.response_type.model_validate({**flagged, "status": "ok"})


def test_an_example_whose_text_is_not_supported_is_refused(report: Task[Any, Any], reports: Rows) -> None:
    row = reports["train"][0]
    response = written(report, "Revenue was USD 19.9 million.")
    with pytest.raises(InputError, match="Correct the text"):
        report.targets(row.request, response)


@pytest.mark.parametrize(
    "change",
    [
        {"table": []},
        {"table": [TABLE[0], TABLE[0]]},
        {"table": [TABLE[0], {**TABLE[1], "unit": "EUR million"}]},
        {"table": [{**TABLE[0], "value": float("nan")}]},
        {"table": [{**TABLE[0], "period": "spring"}]},
        {"table": [{**TABLE[0], "measure": "2031"}]},
        {"title": " "},
    ],
)
def test_a_table_that_cannot_be_checked_is_refused(report: Task[Any, Any], change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        report.request_type.model_validate({"title": "Brindle Foods", "table": TABLE, **change})


def test_the_prompt_has_every_cell_and_the_changes(report: Task[Any, Any]) -> None:
    request = report.request_type.model_validate({"title": "Brindle Foods, Q3 2031", "table": TABLE})
    (prompt,) = report.prompts(request)
    shown = prompt.messages[1].text
    for part in (
        "USD 14.2 million in Q3 2031",
        "USD -420 thousand",
        "1,214 stores",
        "up USD 1.6 million or 12.7 % on Q2",
    ):
        assert part in shown
    assert not any(segment.trusted for segment in prompt.messages[1].segments)


def test_a_blank_report_scores_nothing_and_the_template_filler_is_always_sound(
    report: Task[Any, Any], reports: Rows
) -> None:
    blank = [report.observe(row.response, report.read(row.request, [said("Nothing.")])) for row in reports["test"]]
    assert scores(report, blank)["figure_f1"] == 0.0
    predict = report.fit_baseline(reports["train"])  # type: ignore[attr-defined]
    answers = [predict(row.request) for row in reports["test"]]
    assert [each.text for each in answers if each.status != "ok"] == []


def test_numbers_are_written_as_people_write_them() -> None:
    showing = module("showing")
    assert showing.with_unit(Decimal("1234.50"), "EUR million") == "EUR 1,234.5 million"
    assert showing.with_unit(Decimal(-4), "million USD") == "USD -4 million"
    assert showing.with_unit(Decimal(1200), "stores") == "1,200 stores"


def test_a_long_hostile_text_is_read_in_time(report: Task[Any, Any]) -> None:
    for piece in ("1,", "Q3 2031 ", "revenue ", "USD ", "(", "not ", "rose by 5 % ", "a half of the ", "up "):
        assert written(report, piece * 400).status == "flagged"


def test_the_units_of_the_table_are_read(report: Task[Any, Any]) -> None:
    unit_of = module("units").unit_of
    read = {text: unit_of(text) for text in ("EUR m", "€ bn", "million users", "%", "basis points", "index")}
    assert [(each.kind, int(each.scale * 100), each.of) for each in read.values()] == [
        ("money", 100_000_000, "EUR"), ("money", 100_000_000_000, "EUR"), ("count", 100_000_000, "users"),
        ("percent", 100, ""), ("points", 1, ""), ("count", 100, "index"),
    ]  # fmt: skip
    assert json.dumps(report.request_type.model_json_schema())
