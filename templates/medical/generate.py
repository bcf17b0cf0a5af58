"""Generates the template's questions. `python generate.py` writes both files in data/, always with the same bytes.

The words come from wordings.toml, and hand-written hard cases from hard.toml. Each question has passages that answer
it, or only passages that look as if they did: about another medicine, another outcome, or another property. Test rows
have medicines that no training row has; half of them also have wordings, patients and outcomes of their own.
"""

from __future__ import annotations

import json
import random
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SIZES = {"train": 640, "test": 170}
KINDS = {"yes": 17, "no": 17, "maybe": 14, "text": 17, "none": 17, "record": 18}
MOST_ALIKE = 0.8  # of the words of two rows, so that no row is nearly another
ABSTAINED = "The evidence does not answer this question. Add a passage that does."
Row = dict[str, Any]


def generate(seed: int = 0) -> dict[str, list[Row]]:
    """Return the rows of both files. The same seed gives the same rows."""
    words = tomllib.loads((HERE / "wordings.toml").read_text(encoding="utf-8"))
    made: dict[str, list[Row]] = {split: [] for split in SIZES}
    seen: list[frozenset[str]] = []
    for split, size in SIZES.items():
        attempt = 0
        while len(made[split]) < size:
            row = Author(words, split, f"{seed}/{split}/{attempt}").row(len(made[split]))
            attempt += 1
            shape = _shape(row)
            if all(len(shape & other) < MOST_ALIKE * len(shape | other) for other in seen):
                seen.append(shape)
                made[split].append(row)
    made["test"] += hard_cases()
    return made


def hard_cases() -> list[Row]:
    """Return the rows of hard.toml, each a group of its own."""
    flags = tomllib.loads((HERE / "red_flags.toml").read_text(encoding="utf-8"))
    cases = tomllib.loads((HERE / "hard.toml").read_text(encoding="utf-8"))["case"]
    return [_hard(number, case, flags) for number, case in enumerate(cases)]


def _hard(number: int, case: Row, flags: Row) -> Row:
    request: Row = {"question": case["question"]}
    if "record" in case:
        request["record"] = case["record"]
    else:
        request["evidence"] = [{"id": f"p{n}", "text": text} for n, text in enumerate(case["evidence"], start=1)]
    start = "record-" if "record" in case else "p"
    response: Row = {"status": "abstained", "answer": ABSTAINED, "reason": "not_in_evidence"}
    if "rule" in case:
        rule = next(each for each in flags["rule"] if each["id"] == case["rule"])
        emergency = {"rule": rule["id"], "version": flags["version"]}
        response = {"status": "emergency", "answer": flags["texts"][rule["text"]], "emergency": emergency}
    elif "answer" in case:
        cited = [f"{start}{n}" for n in case["cites"]]
        response = {"status": "answered", "answer": case["answer"], "decision": case.get("decision"), "evidence": cited}
    elif not case.get("evidence", True):
        response |= {
            "answer": "There is no evidence to answer from. Add passages about the question.",
            "reason": "no_evidence",
        }
    name = f"hard-{number:02}"
    return {
        "id": name,
        "request": request,
        "response": response,
        "group": name,
        "tags": ["hard", f"hard:{case['kind']}"],
    }


def _shape(row: Row) -> frozenset[str]:
    request = row["request"]
    texts = [request["question"], request.get("record", ""), *(each["text"] for each in request.get("evidence", ()))]
    return frozenset(re.findall(r"\w+", " ".join(texts).lower()))


class Author:
    """Writes one row."""

    def __init__(self, words: dict[str, Any], split: str, seed: str) -> None:
        self.words, self.split, self.rng = words, split, random.Random(seed)
        self.fresh = split == "test" and self.rng.random() < 0.5  # words that training never has
        self.tags = {"unseen_wording"} if self.fresh else set[str]()
        names = words["names"]
        self.medicine, self.other = self.rng.sample(names["medicine"][split], 2)
        self.group = self.rng.choice(self._of(names["group"]))
        self.outcome, self.other_outcome = self.rng.sample(self._of(names["outcome"]), 2)

    def row(self, number: int) -> Row:
        """Return the row of this number."""
        kind = self.rng.choices(list(KINDS), list(KINDS.values()))[0]
        self.tags.add(kind)
        if kind == "record":
            request, response = self._record()
        else:
            request, response = self._attribute() if kind == "text" or self._half(kind) else self._decision(kind)
        name = f"{self.split}-{number:04}"
        return {
            "id": name,
            "request": request,
            "response": response,
            "group": self.medicine,
            "tags": sorted(self.tags),
        }

    # --- questions on passages ---

    def _decision(self, kind: str) -> tuple[Row, Row]:
        """A question of yes or no, with passages of which one answers it, or none."""
        values = self._values()
        question = self._pick(self.words["question"]["decision"], **values)
        others = self._near_misses(values)
        if kind == "none":
            return self._request(question, "", others)
        said = self._pick(self.words["said"][kind], **values)
        return self._request(question, said, others, kind, f"{kind.capitalize()}. {said}")

    def _near_misses(self, values: Row) -> list[str]:
        """Passages that do not answer: another medicine, another outcome, or only the topic."""
        other = {**values, **self._values(), "medicine": self.other}
        apart = {**values, **self._values(), "outcome": self.other_outcome}
        results = self.words["said"]
        picked = [
            self._pick(results[self.rng.choice(("yes", "no", "maybe"))], **other),
            self._pick(results[self.rng.choice(("yes", "no"))], **apart),
            self._pick(self.words["background"], **self._values()),
        ]
        return self.rng.sample(picked, self.rng.choice((1, 2, 2)))

    def _attribute(self) -> tuple[Row, Row]:
        """A question that asks for a property of a medicine."""
        names = list(self.words["attribute"])
        name, *others = self.rng.sample(names, 3)
        values = self._values()
        question = self._pick(self.words["attribute"][name]["question"], **values)
        wrong = [self._pick(self.words["attribute"][each]["said"], **values) for each in others]
        another = {**self._values(), "medicine": self.other, "group": values["group"]}
        wrong.append(self._pick(self.words["attribute"][name]["said"], **another))
        wrong = self.rng.sample(wrong, self.rng.choice((1, 2, 2)))
        if "none" in self.tags:
            return self._request(question, "", wrong)
        said = self._pick(self.words["attribute"][name]["said"], **values)
        return self._request(question, said, wrong, None, said)

    def _request(
        self, question: str, said: str, others: list[str], decision: str | None = None, answer: str = ""
    ) -> tuple[Row, Row]:
        texts = [*others, said] if said else others
        self.rng.shuffle(texts)
        names = self.rng.sample(("a1", "b2", "c3", "note", "trial-7", "label", "page 4", "s12"), len(texts))
        request = {
            "question": question,
            "evidence": [{"id": name, "text": text} for name, text in zip(names, texts, strict=True)],
        }
        return request, self._response(decision, answer, [names[texts.index(said)]] if said else [])

    # --- questions on a record ---

    def _record(self) -> tuple[Row, Row]:
        """A question on a patient's record. Its lines are the passages."""
        record = self.words["record"]
        if self.rng.random() < 0.5:
            topic, other = self.rng.sample(record["decision"]["topics"], 2)
            kind = self.rng.choice(("yes", "no", "maybe", "none"))
            question = self._pick(record["decision"]["question"], topic=topic)
            wrong = self._pick(record["decision"][self.rng.choice(("yes", "no"))], topic=other)
            said = self._pick(record["decision"][kind], topic=topic) if kind != "none" else ""
            decision, answer = (kind, f"{kind.capitalize()}. {said}") if said else (None, "")
        else:
            item, another = self.rng.sample(record["text"]["item"], 2)
            question, wrong = self._pick(item["question"]), self._pick(another["said"], **self._values())
            said = self._pick(item["said"], **self._values()) if self.rng.random() < 0.7 else ""
            decision, answer = None, said
        lines = [*self._lines(), wrong, *([said] if said else [])]
        self.rng.shuffle(lines)
        names = [f"record-{lines.index(said) + 1}"] if said else []
        self.tags.add(decision or ("text" if said else "none"))
        return {"question": question, "record": "\n".join(lines)}, self._response(decision, answer, names)

    def _lines(self) -> list[str]:
        harmless = [line for line in self._of(self.words["record"]["line"]) if "{" not in line or "date" in line]
        more = [line for line in self.words["record"]["line"]["train"] if "{minutes}" in line or "{floor}" in line]
        chosen = self.rng.sample(harmless + more, self.rng.choice((1, 2)))
        return [_sentence(line.format(**self._values())) for line in chosen]

    # --- words ---

    def _response(self, decision: str | None, answer: str, names: list[str]) -> Row:
        if not names:
            return {"status": "abstained", "answer": ABSTAINED, "reason": "not_in_evidence"}
        return {"status": "answered", "answer": answer, "decision": decision, "evidence": names}

    def _half(self, kind: str) -> bool:
        return kind == "none" and self.rng.random() < 0.5

    def _of(self, lists: Row) -> list[str]:
        chosen: list[str] = lists["test"] if self.fresh else lists["train"]
        return chosen

    def _pick(self, lists: Row, **values: Any) -> str:
        return _sentence(self.rng.choice(self._of(lists)).format(**values))

    def _values(self) -> Row:
        rng, fill = self.rng, self.words["fill"]
        low = rng.randint(2, 30)
        return {
            "medicine": self.medicine, "group": self.group, "outcome": self.outcome,
            "n": rng.randint(40, 900), "p": rng.randint(10, 60), "q": low, "r": low + rng.randint(5, 30),
            "years": rng.randint(2, 9), "d": rng.choice(fill["dose"]), "w": rng.choice(fill["weeks"]),
            "often": rng.choice(fill["often"]), "harm": rng.choice(fill["harm"]), "check": rng.choice(fill["check"]),
            "when": rng.choice(fill["when"]), "t": rng.randint(2, 30), "kg": rng.randint(45, 118),
            "pulse": rng.randint(55, 98), "bp": f"{rng.randint(104, 165)}/{rng.randint(60, 95)}",
            "potassium": f"{rng.uniform(3.2, 5.4):.1f}", "sodium": rng.randint(131, 146),
            "minutes": rng.choice((10, 15, 20, 30, 40)), "floor": rng.choice(("first", "third", "top")),
            "date": f"{rng.randint(1, 28)} {rng.choice(('March', 'May', 'June', 'October'))}",
        }  # fmt: skip


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """Yield each row as a line of the file."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the data files."""
    for split, rows in generate().items():
        (HERE / "data" / f"{split}.jsonl").write_text("".join(lines(rows)), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
