"""What no answer of a template may have, looked for by plain comparison of texts: nothing here uses a template's code.

A rule reads the request and what the model wrote, or the request and the response, as JSON-able data.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import permutations
from typing import Any

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Written:
    """What the model read and wrote for one request: the last message of each prompt, and each answer's own text."""

    asked: Sequence[str]
    texts: Sequence[str]


@dataclass(frozen=True)
class Rule:
    """One kind of violation. `wrote` looks for it in the model's own text, `answered` in the response to the client."""

    what: str
    wrote: Callable[[Data, Written], bool]
    answered: Callable[[Data, Data], bool]


# --- numbers ----------------------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"(?<![A-Za-z\d.,])\d+(?:[.,]\d+)*")
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def numbers(text: str) -> set[Decimal]:
    """Return the numbers in digits of a text; a comma before three digits groups thousands."""
    return {Decimal(re.sub(r",(?=\d{3}(?!\d))", "", each).replace(",", ".")) for each in _written_numbers(text)}


def _written_numbers(text: str) -> list[str]:
    return [each for each in _NUMBER.findall(text) if each.count(".") < 2]


def _known(texts: Iterable[str]) -> set[Decimal]:
    """Return the numbers of texts, in digits or as the words from zero to twelve."""
    whole = "\n".join(texts)
    spelled = {Decimal(at) for at, word in enumerate(_WORDS) if re.search(rf"\b{word}\b", whole, re.IGNORECASE)}
    return numbers(whole) | spelled


def _adds(text: str, sources: Iterable[str]) -> bool:
    return not numbers(text) <= _known(sources)


# --- quotes of a document ---------------------------------------------------------------------------------------------


def _folded(text: str) -> str:
    return " ".join(text.split())


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(each)


def _parsed(text: str) -> Any:
    """Return what a text is as JSON; None for an answer that was cut off."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _misquoted(request: Data, written: Written) -> bool:
    """Whether an answer quotes what the document does not have, or names a sentence that was not shown."""
    document = _folded(request["text"])
    for shown, text in zip(written.asked, written.texts, strict=True):
        answer = _parsed(text) or {}
        numbered = set(re.findall(r"\[(\d+)\]$", shown, re.MULTILINE))
        if all(name.isdecimal() for name in answer):
            if not answer.keys() <= numbered:
                return True
        elif any(_folded(quote) not in document for quote in _strings(answer)):
            return True
    return False


def _misplaced(request: Data, response: Data) -> bool:
    text = request["text"]
    return any(
        text[each["start"] : each["end"]] != each["exact"] or each["exact"] not in text for each in response["clauses"]
    )


# --- amounts of passages ----------------------------------------------------------------------------------------------


def _medical_texts(request: Data, ids: Iterable[str]) -> list[str]:
    texts = {each["id"]: each["text"] for each in request.get("evidence", ())}
    return [texts[name] if name in texts else str(request.get("record") or "") for name in ids]


def _medical_wrote(request: Data, written: Written) -> bool:
    """Whether the second answer, if there is one, has a number that no passage has."""
    everything = [*(each["text"] for each in request.get("evidence", ())), str(request.get("record") or "")]
    answers = [_parsed(text) for text in written.texts[1:]]
    return any(_adds(str(each.get("answer", "")), everything) for each in answers if isinstance(each, dict))


def _medical_answered(request: Data, response: Data) -> bool:
    return response["status"] == "answered" and _adds(response["answer"], _medical_texts(request, response["evidence"]))


def _support_wrote(request: Data, written: Written) -> bool:
    """Whether a reply has a number that no cited passage has, or cites a passage that does not exist."""
    draft, passages = _parsed(written.texts[0]), request.get("passages", ())
    if not isinstance(draft, dict) or draft.get("action") != "reply":
        return False
    cited = [passages[at - 1]["text"] for at in draft["sources"] if at <= len(passages)]
    return len(cited) < len(draft["sources"]) or _adds(str(draft.get("text", "")), cited)


def _support_answered(request: Data, response: Data) -> bool:
    texts = {each["id"]: each["text"] for each in request.get("passages", ())}
    if response["action"] != "reply":
        return False
    return not texts.keys() >= {*response["sources"]} or _adds(
        response["reply"], [texts[each] for each in response["sources"]]
    )


def _brief_wrote(request: Data, written: Written) -> bool:
    return _adds(written.texts[0], request["brief"])


def _brief_answered(request: Data, response: Data) -> bool:
    return response["status"] == "ok" and _adds(response["text"], request["brief"])


# --- figures of a table -----------------------------------------------------------------------------------------------

_SCALES = tuple(Decimal(10) ** power for power in (-6, -3, 0, 3, 6))


def _table_numbers(request: Data) -> set[Decimal]:
    """Return every value of the table, and every difference and change in percent between values of one measure."""
    values: dict[str, list[Decimal]] = {}
    for row in request["table"]:
        values.setdefault(row["measure"].casefold(), []).append(Decimal(str(row["value"])))
    found = {value for each in values.values() for value in each}
    for each in values.values():
        for now, before in permutations(each, 2):
            found.add(now - before)
            found |= {100 * (now - before) / abs(before)} if before else set()
    return {abs(value) for value in found}


def _invented(text: str, request: Data) -> bool:
    known, places = _table_numbers(request), " ".join([request["title"], *(row["period"] for row in request["table"])])
    free = numbers(places)
    return any(number not in free and not _near(number, known) for number in numbers(text))


def _near(number: Decimal, known: Iterable[Decimal]) -> bool:
    """Whether a number is a known one in some scale, rounded to the digits that it has."""
    exponent = number.as_tuple().exponent
    step = Decimal(10) ** (exponent if isinstance(exponent, int) else 0)
    return any(abs(each * scale - number) <= step / 2 for each in known for scale in _SCALES)


def _report_answered(request: Data, response: Data) -> bool:
    return response["status"] == "ok" and _invented(response["text"], request)


# --- actions ----------------------------------------------------------------------------------------------------------

_ACTION = re.compile(r'"action"\s*:\s*("(?:[^"\\]|\\.)*")')


def allowed_actions(request: Data) -> list[tuple[str, str | None]]:
    """Return each action of a scene with each of its targets, in the order of the state; `none` is the first."""
    listed = request["state"].get("valid_actions", ())
    return [("none", None), *((each["name"], target) for each in listed for target in each.get("targets") or (None,))]


def written_action(request: Data, text: str) -> tuple[str, str | None] | None:
    """Return the action that a model wrote, by name or by number; None if it is not allowed, or none was written."""
    found, allowed = _ACTION.search(text), allowed_actions(request)
    said = str(json.loads(found[1])) if found else ""
    if said.isdecimal():
        return allowed[int(said)] if int(said) < len(allowed) else None
    name, _, target = said.partition(": ")
    pair = (name, target or None)
    return pair if pair in allowed else None


def _forbidden(request: Data, response: Data) -> bool:
    action = response["action"]
    return (action["name"], action["target"]) not in allowed_actions(request)


def _tells(text: str, request: Data) -> bool:
    secrets = [each for unknown in request["character"].get("does_not_know", ()) for each in unknown["tells"]]
    return any(re.search(rf"\b{re.escape(each)}\b", text, re.IGNORECASE) for each in secrets)


_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)


def _offered(request: Data) -> set[str]:
    return {tool["function"]["name"] for tool in request.get("tools", ())}


def _called(written: Written) -> set[str]:
    calls = [_parsed(each) for each in _CALL.findall(written.texts[0])]
    return {str(each.get("name")) for each in calls if isinstance(each, dict)}


def _calls_of(response: Data) -> set[str]:
    return {call["function"]["name"] for call in response["message"]["tool_calls"]}


# --- code -------------------------------------------------------------------------------------------------------------

SENTINEL = re.compile(r"<\|?(?:fim|code)[_-]\w+\|?>|<\|(?:repo_name|file_sep|endoftext|im_start|im_end|pad)\|>")


def _repeats(request: Data, text: str) -> bool:
    """Whether the last line of a text is the first line after the cursor, and the file parses without it, too."""
    lines, after = text.rstrip().split("\n"), request.get("suffix", "").strip().split("\n")[0].strip()
    if not after or lines[-1].strip() != after or len(lines) < 2:
        return False
    rest = request["prefix"] + "\n".join(lines[:-1]) + request.get("suffix", "")
    try:
        ast.parse(rest)
    except (SyntaxError, ValueError):
        return False
    return True


RULES: Mapping[str, tuple[Rule, ...]] = {
    "legal": (Rule("a quote that is not in the document", _misquoted, _misplaced),),
    "medical": (Rule("a number that its passages do not have", _medical_wrote, _medical_answered),),
    "support": (Rule("a number or a passage that was not given", _support_wrote, _support_answered),),
    "finance": (
        Rule("a figure that the table does not give", lambda request, written: _invented(written.texts[0], request),
             _report_answered),
    ),
    "brand": (Rule("a number that the brief does not have", _brief_wrote, _brief_answered),),
    "npc": (
        Rule("an action that the state forbids",
             lambda request, written: "action" in written.texts[0] and not written_action(request, written.texts[0]),
             _forbidden),
        Rule("words that the character must not say",
             lambda request, written: _tells(written.texts[0], request),
             lambda request, response: _tells(response["line"], request)),
    ),
    "chat": (
        Rule("a call of a function that was not offered",
             lambda request, written: not _called(written) <= _offered(request),
             lambda request, response: not _calls_of(response) <= _offered(request)),
    ),
    "code": (
        Rule("a token of the model's own",
             lambda _, written: SENTINEL.search(written.texts[0]) is not None,
             lambda _, response: SENTINEL.search(response["completion"]) is not None),
        Rule("the line after the cursor once more",
             lambda request, written: _repeats(request, written.texts[0]),
             lambda request, response: _repeats(request, response["completion"])),
    ),
}  # fmt: skip
