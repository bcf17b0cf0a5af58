"""Makes the examples: news with companies and their sentiment, and tables with reports. The same bytes every time.

A group is a quarter, and all quarters of the test files are later than those of training. Test files also have names,
places, products and wordings that training does not. Hand-written hard cases come last in the test files.
"""

from __future__ import annotations

import json
import random
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kit.task.loader import load_module

HERE = Path(__file__).resolve().parent
WORDINGS = tomllib.loads((HERE / "wordings.toml").read_text(encoding="utf-8"))
QUARTERS = {
    "train": [f"Q{quarter} {year}" for year in range(2024, 2030) for quarter in range(1, 5)],
    "test": [f"Q{quarter} {year}" for year in range(2030, 2033) for quarter in range(1, 5)],
}
COUNTS = {"train": (720, 560), "test": (180, 150)}
SPELLED = {"1": "first", "2": "second", "3": "third", "4": "fourth"}
LABELS = ("positive", "negative", "neutral")
NEAR = 0.45
REPORT_WEIGHT = 0.1
"""A report has twenty times as many tokens as an answer of sentiment, and every token of a step counts the same."""
Row = dict[str, Any]


def generate() -> dict[str, list[Row]]:
    """Return the rows of each file."""
    files: dict[str, list[Row]] = {}
    for split, (news, reports) in COUNTS.items():
        rng = random.Random(f"finance-{split}")
        seen = [row["request"]["text"] for row in files.get("train", [])]
        files[split] = _numbered(split, _distinct(News(rng, split).rows(), seen, news))
        company = News(rng, split).company
        tables = load_module(HERE, "tables.py").Writer(rng, WORDINGS["reports"], QUARTERS[split], split, company)
        weight = {"weight": REPORT_WEIGHT} if split == "train" else {}
        rows = [{**tables.row(), **weight} for _ in range(reports)]
        files[f"reports-{split}"] = _numbered(f"report-{split}", rows)
    files["test"] += _read("hard.jsonl")
    files["reports-test"] += _read("hard-reports.jsonl")
    return files


class News:
    """Draws texts for one split."""

    def __init__(self, rng: random.Random, split: str) -> None:
        self.rng, self.split = rng, split

    def rows(self) -> Iterator[Row]:
        """Yield rows without end."""
        while True:
            quarter = self.rng.choice(QUARTERS[self.split])
            kind = self.rng.choices(("single", "joined", "pair", "whole"), (4, 3, 2, 1))[0]
            text, labels, tags = getattr(self, f"_{kind}")(quarter)
            entities = [] if kind == "whole" else list(labels)
            named: list[Row] = [{"entity": name, "label": label} for name, label in labels.items()]
            sentiments = [{"label": next(iter(labels.values()))}] if kind == "whole" else named
            yield {
                "id": "",
                "request": {"text": text, "entities": entities},
                "response": {"sentiments": sentiments},
                "group": quarter,
                "tags": [kind, *tags],
            }

    def company(self) -> str:
        """Draw a company's name."""
        return f"{self._from('heads')} {self._from('tails')}{self.rng.choice(WORDINGS['names']['forms'])}"

    def _from(self, kind: str, of: dict[str, Any] = WORDINGS["names"]) -> str:
        own = of[f"{kind}_test"] if self.split == "test" and f"{kind}_test" in of else of[kind]
        mixed = self.split == "test" and kind in ("good", "cost", "up", "down") and self.rng.random() < 0.5
        return str(self.rng.choice(of[kind] if mixed else own))

    def _wording(self, kind: str) -> tuple[Any, list[str]]:
        unseen = self.split == "test" and self.rng.random() < 0.6
        return self.rng.choice(WORDINGS[kind]["test" if unseen else "train"]), ["unseen_wording"] * unseen

    def _single(self, quarter: str) -> tuple[str, dict[str, str], list[str]]:
        label, name = self.rng.choice(LABELS), self.company()
        wording, tags = self._wording(label)
        return self._filled(wording, quarter, co=name), {name: label}, tags

    _whole = _single

    def _joined(self, quarter: str) -> tuple[str, dict[str, str], list[str]]:
        (first, one, tags), (second, two, more) = self._single(quarter), self._single(quarter)
        if set(one) & set(two):
            return self._joined(quarter)
        join, last = self._wording("joins")
        lowered = second if "," not in join or second.startswith(tuple(two)) else second[:1].lower() + second[1:]
        text = join.replace("{x}", first).replace("{y}", lowered)
        return text, {**one, **two}, sorted({*tags, *more, *last})

    def _pair(self, quarter: str) -> tuple[str, dict[str, str], list[str]]:
        (first, second, wording), tags = self._wording("pairs")
        a, b = self.company(), self.company()
        if a.split()[:2] == b.split()[:2]:
            return self._pair(quarter)
        return self._filled(wording, quarter, a=a, b=b), {a: first, b: second}, tags

    def _filled(self, wording: str, quarter: str, **names: str) -> str:
        number, year = quarter[1], quarter[3:]
        good, cost = self._from("good"), self._from("cost")
        gaps = {
            "q": self.rng.choice((f"the {SPELLED[number]} quarter of {year}", quarter)),
            "qq": f"{SPELLED[number]} quarter",
            "good": good, "goodbare": good.removeprefix("the "), "good_cap": good[:1].upper() + good[1:],
            "cost": cost, "cost_cap": cost[:1].upper() + cost[1:],
            "up": self._from("up"), "down": self._from("down"),
            "place": self._from("place"), "product": self._from("product"),
            "n": str(self.rng.randrange(20, 900)), **self._numbers(),
        }  # fmt: skip
        return wording.format(**gaps, **names)

    def _numbers(self) -> dict[str, str]:
        rng = self.rng
        low, high = sorted(rng.sample(range(11, 990), 2))
        currency, shape = rng.choice(("EUR", "USD", "GBP", "SEK")), rng.choice(("{c} {v} million", "{c} {v}m"))
        one, two = (shape.format(c=currency, v=value / 10) for value in (high, low))
        shares = [f"{rng.randrange(11, 300) / 10} %" for _ in range(2)]
        cents = sorted(rng.sample(range(20, 300), 2))
        return {
            "m": one, "m2": two, "p": shares[0], "p2": shares[1],
            "c": f"{currency} {cents[1] / 100:.2f}", "c2": f"{currency} {cents[0] / 100:.2f}",
        }  # fmt: skip


def grams(text: str) -> frozenset[tuple[str, ...]]:
    """The word triples of a text."""
    words = re.findall(r"\w+", text.casefold())
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def _distinct(rows: Iterator[Row], seen: Sequence[str], count: int) -> list[Row]:
    """Take rows until there are enough; none is near one of `seen`, or the same as another."""
    known, texts, found = [grams(text) for text in seen], set[str](), list[Row]()
    for row in rows:
        text = row["request"]["text"]
        own = grams(text)
        near = any(len(own & other) > NEAR * len(own | other) for other in known)
        if not near and text not in texts:
            texts.add(text)
            found.append(row)
        if len(found) == count:
            break
    return found


def _numbered(prefix: str, rows: Sequence[Row]) -> list[Row]:
    return [{**row, "id": f"{prefix}-{number:04}"} for number, row in enumerate(rows)]


def _read(name: str) -> list[Row]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def main() -> None:
    """Write the data files."""
    (HERE / "data").mkdir(exist_ok=True)
    for name, rows in generate().items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (HERE / "data" / f"{name}.jsonl").write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
