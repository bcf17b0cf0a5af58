"""Generates the sample texts. `python generate.py` writes the files in data/, always with the same bytes.

The words come from wordings.toml. A brief is a list of facts; the text says each of them in the brand's voice, between
an opening and a closing. Briefs of the test have items, places and reasons that training does not. hard.toml holds
cases written by hand. data/others.jsonl has such texts in two other voices, for fingerprint.py to measure the floor.
"""

from __future__ import annotations

import json
import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SIZES = {"train": 640, "test": 170}
OTHERS = 80  # texts of each other voice
MOST_SHARED = 11  # words in a row that a test text may share with a training text
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November")
_SLOT = re.compile(r"\{([a-z]+)\}")
_WORD = re.compile(r"\w+(?:['’]\w+)*")
Row = dict[str, Any]


def generate(seed: int = 0) -> dict[str, list[Row]]:
    """Return the rows of all files. The same seed gives the same rows."""
    words = tomllib.loads((HERE / "wordings.toml").read_text(encoding="utf-8"))
    made: dict[str, list[Row]] = {}
    runs: set[tuple[str, ...]] = set()  # of the training texts; a test text must have none of them
    seen: set[str] = set()
    for split, size in SIZES.items():
        author, rows = _Author(words, split, f"{seed}/{split}"), list[Row]()
        while len(rows) < size:
            row = author.row(f"{split}-{len(rows) + 1:03}")
            own = _runs(row["response"]["text"])
            if row["response"]["text"] in seen or (split == "test" and own & runs):
                continue
            seen.add(row["response"]["text"])
            rows.append(row)
            runs |= own if split == "train" else set()
        made[split] = rows
    made["test"] += hard_cases()
    made["others"] = list(_other_texts(words, seed))
    return made


def _other_texts(words: Mapping[str, Any], seed: int) -> Iterator[Row]:
    for voice in words["others"]:
        author = _Author(words, "train", f"{seed}/{voice}")
        for _ in range(OTHERS):
            yield {"author": voice, "text": author.other_text(voice)}


def _runs(text: str) -> set[tuple[str, ...]]:
    """Return every run of one word more than may be shared."""
    words, size = _WORD.findall(text.casefold()), MOST_SHARED + 1
    return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)}


def hard_cases() -> list[Row]:
    """Return the cases of hard.toml."""
    cases = tomllib.loads((HERE / "hard.toml").read_text(encoding="utf-8"))["case"]
    return [
        {
            "id": f"hard-{number:02}",
            "request": {name: case[name] for name in ("brief", "channel", "max_words")},
            "response": {"text": case["text"]},
            "group": f"hard-{number:02}",
            "tags": ["hard", f"hard:{case['kind']}"],
        }
        for number, case in enumerate(cases, start=1)
    ]


class _Author:
    """Writes briefs and texts; everything random comes from one generator."""

    def __init__(self, words: Mapping[str, Any], split: str, seed: str) -> None:
        self.rng = random.Random(seed)
        self.words = words
        self.pools: Mapping[str, list[str]] = words["pools"]["unseen" if split == "test" else "seen"]

    def row(self, name: str) -> Row:
        """Return a brief with its text in the brand's voice."""
        rng = self.rng
        kind, channel, facts, slots = self._plan()
        brand = self.words["brand"]
        brief = [_filled(rng.choice(self.words["facts"][fact]["brief"]), slots) for fact in facts]
        said = [_sentence(rng.choice(self.words["facts"][fact]["brand"]), slots) for fact in facts]
        text = " ".join([rng.choice(brand["openings"]), *said, rng.choice(brand["closings"][channel])])
        size = len(_WORD.findall(text))
        most = next(limit for limit in (30, 40, 50, 60, 80, 100) if limit >= size)
        return {
            "id": name,
            "request": {"brief": brief, "channel": channel, "max_words": most},
            "response": {"text": text},
            "group": name,
            "tags": [kind],
        }

    def other_text(self, voice: str) -> str:
        """Return a text of another voice."""
        _, _, facts, slots = self._plan()
        said = [_sentence(self.rng.choice(self.words["facts"][fact][voice]), slots) for fact in facts]
        frame = self.words["others"][voice]
        return " ".join([self.rng.choice(frame["openings"]), *said, self.rng.choice(frame["closings"])])

    def _plan(self) -> tuple[str, str, list[str], dict[str, str]]:
        """Choose a kind of text, its channel, two to five facts in order, and their values."""
        rng = self.rng
        kind = rng.choice(list(self.words["kinds"]))
        source = self.words["kinds"][kind]
        names = source["facts"]
        others = rng.sample(names[1:], rng.randint(min(2, len(names) - 1), len(names) - 1))
        facts = [names[0], *sorted(others, key=names.index)]
        return kind, rng.choice(source["channels"]), facts, self._slots()

    def _slots(self) -> dict[str, str]:
        rng = self.rng
        return {name: rng.choice(pool) for name, pool in self.pools.items()} | {
            "pounds": str(rng.randint(3, 95)),
            "litres": rng.choice((str(rng.randint(2, 9)), f"{rng.randint(1, 4)}.{rng.randint(1, 9)}")),
            "years": str(rng.randint(2, 30)),
            "day": str(rng.randint(1, 28)),
            "month": rng.choice(MONTHS),
            "hour": str(rng.randint(1, 11)),
            "percent": str(rng.randint(5, 60)),
            "order": str(rng.randint(1000, 9999)),
            "days": str(rng.randint(2, 14)),
        }


def _filled(line: str, slots: Mapping[str, str]) -> str:
    return _SLOT.sub(lambda found: slots[found.group(1)], line)


def _sentence(line: str, slots: Mapping[str, str]) -> str:
    text = _filled(line, slots)
    return text[0].upper() + text[1:]


def lines(rows: Sequence[Row]) -> Iterator[str]:
    """Yield each row as a line of the file."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the data files."""
    for name, rows in generate().items():
        (HERE / "data" / f"{name}.jsonl").write_text("".join(lines(rows)), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
