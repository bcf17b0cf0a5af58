"""Generates the template's threads. `python generate.py` writes both files in data/, always with the same bytes.

The words come from wordings.toml; the hard cases in the test file are written by hand, in hard.toml. A thread is one
group, and has one row for each turn that the bot must answer. Test threads take all their wordings, names and numbers
from lists of their own, so no sentence of a customer, of a policy or of a reply is in both files.
"""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
THREADS = {"train": 330, "test": 96}
KINDS = {
    "question": 46, "missing": 11, "change": 12, "unclear": 7, "out_of_scope": 9, "person": 5, "complaint": 5,
    "danger": 5,
}  # fmt: skip
NEXT = {"end": 20, "thanks": 18, "wait": 16, "pressure": 26, "out_of_scope": 8, "question": 12}
HAND_OFF_SUMMARIES = {"person": "asked_for_person", "complaint": "complaint", "danger": "danger"}
NUMBERS: dict[str, tuple[Sequence[Any], Sequence[Any]]] = {
    "a": ((4, 6, 9, 12, 15, 19), (5, 7, 11, 17)),
    "b": ((45, 60, 80, 95, 120), (55, 70, 135)),
    "d": ((10, 14, 21, 30), (12, 20, 28)),
    "w": ((3, 5, 8), (4, 6)),
    "m": ((6, 12, 24), (9, 18)),
    "p": ((30, 40, 50), (35, 45)),
    "date": (("14 March 2027", "2 May 2027", "30 June 2027"), ("9 April 2027", "17 July 2027")),
    "gb": ((8, 20, 40), (15, 25)),
    "gb2": ((1, 3, 5), (2, 4)),
    "mb": ((50, 100, 200), (75, 150)),
    "mbps": ((30, 80, 160), (45, 110)),
    "low": ((1, 4), (2, 3)),
    "n": ((2, 4, 6), (3, 5)),
    "s": ((15, 30), (20, 45)),
    "k": ((8,), (10,)),
    "clock": (("6 pm", "9:30 am"), ("4 pm", "11:15 am")),
    "code": ((7010, 7020), (7030,)),
}


def generate(seed: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of both files. The same seed gives the same rows."""
    words = tomllib.loads((HERE / "wordings.toml").read_text(encoding="utf-8"))
    rows: dict[str, list[dict[str, Any]]] = {}
    for split, count in THREADS.items():
        seen: set[str] = set()
        rows[split] = []
        for number in range(count):
            for row in _Thread(words, split, number, f"{seed}/{split}/{number}").rows:
                request = json.dumps(row["request"])
                if request not in seen:
                    rows[split].append(row)
                seen.add(request)
    return {"train": rows["train"], "test": rows["test"] + hard_rows()}


def hard_rows() -> list[dict[str, Any]]:
    """Return the hard cases, which are written by hand."""
    cases = tomllib.loads((HERE / "hard.toml").read_text(encoding="utf-8"))["case"]
    return [_hard_row(number, case) for number, case in enumerate(cases)]


def _hard_row(number: int, case: dict[str, Any]) -> dict[str, Any]:
    roles = {"c": "customer", "a": "agent", "n": "system-note"}
    thread = [{"role": roles[line[0]], "text": line[3:]} for line in case["thread"]]
    passages = [{"id": name, "text": text} for name, text in case.get("passages", {}).items()]
    response: dict[str, Any] = {key: case[key] for key in ("action", "intent", "sources") if key in case}
    if case["action"] == "hand_off":
        left = {"reason": case["reason"], "summary": case["summary"]}
        response |= {"reply": _line("HAND_OFF_LINE"), "hand_off": left}
    elif case["action"] == "reply":
        response["reply"] = case.get("reply") or _line("OUT_OF_SCOPE_LINE")
    request = {"thread": thread, "passages": passages, "owner": case.get("owner", "bot")}
    name = f"hard-{number:02}"
    tags = ["hard", f"hard:{case['kind']}"]
    return {"id": name, "request": request, "response": response, "group": name, "tags": tags}


def _line(name: str) -> str:
    """Return a fixed line of desk.py, read as text: this script needs no package."""
    source = (HERE / "desk.py").read_text(encoding="utf-8")
    found = next(line for line in source.splitlines() if line.startswith(f"{name} = "))
    return str(json.loads(found.partition(" = ")[2]))


class _Thread:
    """Writes one thread; everything random comes from one generator."""

    def __init__(self, words: dict[str, Any], split: str, number: int, seed: str) -> None:
        self.rng, self.words, self.side = random.Random(seed), words, split == "test"
        self.name, self.topic = f"{split}-{number:04}", ""
        pools: dict[str, Any] = {**words["slots"], **NUMBERS}
        self.slots = {name: str(self.rng.choice(pool[self.side])) for name, pool in pools.items()}
        self.turns: list[dict[str, str]] = []
        self.passages: list[dict[str, str]] = []
        self.rows: list[dict[str, Any]] = []
        self._first(self._draw(KINDS))

    # --- the plan of a thread ---

    def _first(self, kind: str) -> None:
        if kind in HAND_OFF_SUMMARIES:
            self._search(None)
            self._say(self._one(kind))
            self._hand_off(kind, HAND_OFF_SUMMARIES[kind], self._one_of(f"{kind}_summary"))
        elif kind in ("unclear", "out_of_scope"):
            self._search(None)
            self._say(self._polite(self._one(kind)))
            self._reply(kind, self._one("unclear_reply") if kind == "unclear" else _line("OUT_OF_SCOPE_LINE"), [])
            if self.rng.random() < 0.6:
                self._first("question" if kind == "unclear" else self.rng.choice(["question", "person", "change"]))
        elif kind == "question":
            self._question()
            self._follow(self._draw(NEXT))
        else:
            self._cannot(kind)

    def _follow(self, kind: str) -> None:
        """Add what comes after a reply from a passage."""
        if kind == "thanks":
            self._say(self._one("thanks"))
            self._reply("thanks", self._one("thanks_reply"), [])
        elif kind == "wait":
            self._say(self._one("wait"))
            self._row({"action": "silent", "intent": "wait"}, "wait")
            self.turns.append({"role": "system-note", "text": "The customer came back."})
            self._first(self.rng.choice(["question", "change", "missing"]))
        elif kind == "pressure":
            self._pressure()
        elif kind != "end":
            self._first(kind)

    def _question(self) -> None:
        question = self._pick_question()
        self._say(self._polite(self._fill(self._side(question["ask"]))))
        source = self._search(question)
        self.answer, self.source = self._fill(self._side(question["answer"])), source
        self._reply(self.topic, self.answer, [source], "question")

    def _pressure(self) -> None:
        self._say(self._one("pressure"))
        self._reply(self.topic, self._one("pressure_lead") + self.answer, [self.source], "pressure")
        if self.rng.random() < 0.6:
            self._say(self._one("pressure_again"))
            self._hand_off(self.topic, "disputes_policy", self._one_of("pressure_summary"), "pressure_again")

    def _cannot(self, kind: str) -> None:
        """Add a question that no passage answers, or a change that only a person can make."""
        question = self._pick_question()
        said = self.words["topic"][self.topic]["do"] if kind == "change" else question["ask"]
        self._say(self._polite(self._fill(self._side(said))))
        self._search(question if kind == "change" and self.rng.random() < 0.5 else None)
        reason = "account_change" if kind == "change" else "not_covered"
        self._hand_off(self.topic, reason, self._one_of(f"{kind}_summary"), kind)

    # --- passages ---

    def _pick_question(self) -> dict[str, Any]:
        self.topic = self.rng.choice(list(self.words["topic"]))
        self.question = self.rng.choice(self.words["topic"][self.topic]["question"])
        return dict(self.question)

    def _search(self, found: dict[str, Any] | None) -> str:
        """Set the passages: what was found, among others. Return the id of what was found."""
        others = [
            each
            for name, topic in self.words["topic"].items()
            for each in topic["question"]
            if not self.topic or each["id"] != self.question["id"]
        ]
        chosen = self.rng.sample(others, self.rng.randint(1, 3))
        near = [each for each in others if self.topic and each in self.words["topic"][self.topic]["question"]]
        if near and self.rng.random() < 0.3 and near[0] not in chosen:
            chosen[0] = near[0]
        named = self.rng.random() < 0.7
        numbers = self.rng.sample(range(100, 1000), 5)
        listed = [(each, f"kb.{each['id']}" if named else f"p-{numbers.pop()}") for each in chosen]
        source = ""
        if found:
            source = f"kb.{found['id']}" if named else f"p-{numbers.pop()}"
            listed.insert(self.rng.randint(0, len(listed)), (found, source))
        self.passages = [{"id": name, "text": self._fill(self._side(each["policy"]))} for each, name in listed]
        return source

    # --- turns and rows ---

    def _say(self, text: str) -> None:
        self.turns.append({"role": "customer", "text": text})

    def _reply(self, intent: str, reply: str, sources: list[str], kind: str = "") -> None:
        response: dict[str, Any] = {"action": "reply", "reply": reply, "intent": intent}
        self._row(response | ({"sources": sources} if sources else {}), kind or intent)
        self.turns.append({"role": "agent", "text": reply})

    def _hand_off(self, intent: str, reason: str, summary: str, kind: str = "") -> None:
        said = summary.replace("{topic}", self.words["topic"][self.topic]["said"] if self.topic else "")
        left = {"reason": reason, "summary": said}
        response = {"action": "hand_off", "reply": _line("HAND_OFF_LINE"), "intent": intent, "hand_off": left}
        self._row(response, kind or intent)

    def _row(self, response: dict[str, Any], kind: str) -> None:
        request = {"thread": list(self.turns), "passages": list(self.passages), "owner": "bot"}
        row = {"id": f"{self.name}-{len(self.rows)}", "request": request, "response": response, "group": self.name}
        self.rows.append({**row, "tags": [kind]})

    # --- words ---

    def _polite(self, text: str) -> str:
        greeting, closing = (self._side(self.words["slots"][name]) for name in ("greeting", "closing"))
        return f"{greeting}{text}{closing}"

    def _one(self, name: str) -> str:
        return str(self._side(self.words["social"][name]))

    def _one_of(self, name: str) -> str:
        return str(self.rng.choice(self.words["social"][name]))

    def _side(self, pools: Sequence[Any]) -> Any:
        return self.rng.choice(pools[self.side])

    def _fill(self, text: str) -> str:
        for name, value in self.slots.items():
            text = text.replace("{" + name + "}", value)
        return text[:1].upper() + text[1:]

    def _draw(self, weights: dict[str, int]) -> str:
        return self.rng.choices(list(weights), list(weights.values()))[0]


def main() -> None:
    """Write both files."""
    for split, rows in generate().items():
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        (HERE / f"data/{split}.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
