"""Generates the template's gaps. `python generate.py` writes both files in data/, always with the same bytes.

A program is a file of one or two functions, made from the shapes in shapes.toml and an entity of entities.toml. Gaps
are cut out of it: a line, several lines, part of a line, or the rest of the file. All gaps of a file are one group.
Test programs use entities and wordings that no training program uses, and some shapes that none uses. The cases in
hard.toml are written by hand; the generator appends them to the test file.
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

HERE = Path(__file__).parent
FILES = {"train": 800, "test": 84}
GAPS = 2
UNSEEN_SHAPE = 0.25
SHARED_FIELDS = 0.5
SPM = 0.25
OPEN, CLOSE = "«", "»"


def generate(seed: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of both files. The same seed gives the same rows."""
    shapes = tomllib.loads((HERE / "shapes.toml").read_text(encoding="utf-8"))["shape"]
    entities = tomllib.loads((HERE / "entities.toml").read_text(encoding="utf-8"))
    gaps = load_module(HERE, "gaps.py")
    made: dict[str, list[dict[str, Any]]] = {}
    for split, size in FILES.items():
        seen_texts: set[str] = set()
        made[split] = []
        for number in range(size):
            rng = random.Random(f"{seed}/{split}/{number}")
            made[split] += _file_rows(f"{split}-{number:04}", _Author(shapes, entities, split, rng), gaps, seen_texts)
    made["test"] += list(_hard_rows())
    return made


class _Author:
    """Writes one program; everything random comes from one generator."""

    def __init__(
        self, shapes: Sequence[dict[str, Any]], entities: dict[str, Any], split: str, rng: random.Random
    ) -> None:
        self.rng, self.test = rng, split == "test"
        self.tags: set[str] = set()
        self.shapes = shapes
        pool = "unseen" if self.test else "seen"
        item, items, *fields = rng.choice(entities[pool])
        if rng.random() < SHARED_FIELDS:
            fields = _shared(entities["fields"][pool], rng)
        self.entity = [item, items, *fields]
        self.by_key = rng.random() < 0.35

    def program(self) -> str:
        """Return a file of one or two functions about the same entity."""
        unseen = self.test and self.rng.random() < UNSEEN_SHAPE
        first = self.rng.choice([shape for shape in self.shapes if bool(shape.get("unseen")) == unseen])
        chosen = [first]
        if self.rng.random() < 0.35:
            chosen.append(self.rng.choice([each for each in self.shapes if not each.get("unseen") and each != first]))
        if unseen:
            self.tags.add("unseen_shape")
        self.tags |= {f"shape:{shape['name']}" for shape in chosen}
        chosen.sort(key=lambda shape: "import" not in shape["code"])
        return "\n\n\n".join(self._written(shape) for shape in chosen) + "\n"

    def _written(self, shape: dict[str, Any]) -> str:
        slots = self._slots()
        docs = shape["unseen_docs"] if self.test and self.rng.random() < 0.5 else shape["docs"]
        if docs is shape["unseen_docs"]:
            self.tags.add("unseen_wording")
        slots["fn"] = _fill(self.rng.choice(shape["fn"]), slots)
        slots["doc"] = _fill(self.rng.choice(docs), slots)
        return _fill(shape["code"].strip("\n"), slots)

    def _slots(self) -> dict[str, str]:
        item, items, num, num2, text, kind = self.entity
        if self.rng.random() < 0.4:
            num, num2 = num2, num
        names = {"item": item, "items": items, "num": num, "num2": num2, "text": text, "kind": kind}
        names["Class"] = item.capitalize()
        for field in ("num", "num2", "text", "kind"):
            names[f"get_{field}"] = self._read(item, names[field])
        for holder in ("best", "before", "after"):
            names[f"{holder}_num"] = self._read(holder, num)
        return names

    def _read(self, holder: str, field: str) -> str:
        return f'{holder}["{field}"]' if self.by_key else f"{holder}.{field}"


def _shared(fields: dict[str, list[str]], rng: random.Random) -> list[str]:
    """Return two numbers, a name and a kind that fit every entity."""
    return [*rng.sample(fields["num"], 2), rng.choice(fields["text"]), rng.choice(fields["kind"])]


def _fill(template: str, slots: dict[str, str]) -> str:
    """Fill the slots of a template; the longest name counts, so that $items is not $item and an s."""
    names = "|".join(sorted(slots, key=len, reverse=True))
    return re.sub(rf"\$(?:\{{({names})\}}|({names}))", lambda found: slots[found[1] or found[2]], template)


def _file_rows(name: str, author: _Author, gaps: Any, seen: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of one file; a gap that another file of the split has too is left out."""
    rng, text = author.rng, author.program()
    for number, cut in enumerate(gaps.draw(text, GAPS, rng)):
        key = f"{text[: cut.start]}\0{text[cut.end :]}"
        order = "spm" if rng.random() < SPM else "psm"
        if key not in seen:
            seen.add(key)
            yield _row(f"{name}-{number}", text, cut, order, name, {cut.kind, *author.tags})


def _row(name: str, text: str, cut: Any, order: str, group: str, tags: set[str]) -> dict[str, Any]:
    request: dict[str, Any] = {"prefix": text[: cut.start], "suffix": text[cut.end :]}
    if order != "psm":
        request["order"] = order
        tags = {*tags, order}
    completion = text[cut.start : cut.end]
    response = {"completion": completion, "stopped": "end", "parses": True}
    return {"id": name, "request": request, "response": response, "group": group, "tags": sorted(tags)}


# --- cases that are written by hand --------------------------------------------------------------------------------


def _hard_rows() -> Iterator[dict[str, Any]]:
    """Yield the hand-written cases: the gap of each stands between « and »."""
    cases = tomllib.loads((HERE / "hard.toml").read_text(encoding="utf-8"))["case"]
    for number, case in enumerate(cases):
        code = case["code"].replace("\r\n", "\n").replace("\n", "\r\n" if case.get("crlf") else "\n")
        prefix, _, rest = code.partition(OPEN)
        middle, _, suffix = rest.partition(CLOSE)
        request = {"prefix": prefix, "suffix": suffix}
        request |= {key: case[key] for key in ("language", "path", "order") if key in case}
        response = {"completion": middle, "stopped": "end", "parses": case.get("parses", True)}
        if not case.get("python", True):
            response["parses"] = None
        name = f"hard-{number:03}"
        tags = ["hard", f"hard:{case['kind']}"]
        yield {"id": name, "request": request, "response": response, "group": name, "tags": tags}


def lines(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield each row as a line of the file."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the data files."""
    (HERE / "data").mkdir(exist_ok=True)
    for split, rows in generate().items():
        (HERE / "data" / f"{split}.jsonl").write_text("".join(lines(rows)), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
