"""Generates the template's documents. `python generate.py` writes both files in data/, always with the same bytes.

The words come from wordings.toml. A document is a shuffled list of sections: clauses, other sections, and sentences
that only mention a clause. It is written in one of several styles and layouts, and every clause is labelled with its
place in the finished text. Test documents also have wordings, styles and names that are in no training document. The
hard cases of hard.toml were written by hand; they follow the generated test documents.
"""

from __future__ import annotations

import json
import random
import tomllib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SIZES = {"train": 720, "test": 160}
LONG_SHARE = 0.16
QUOTED_ONLY = 0.1
UNSEEN_WORDING = 0.2
UNSEEN_STYLE = 0.2
RUN_ON_STYLE = 0.06
UNSEEN_NAMES = 0.5


@dataclass
class Section:
    """A heading and the sentences under it, each with its label or None."""

    heading: str
    question: str
    sentences: list[tuple[str, str | None]] = field(default_factory=list)


def generate(seed: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of both files. The same seed gives the same rows."""
    words = tomllib.loads((HERE / "wordings.toml").read_text(encoding="utf-8"))
    made = {
        split: [_row(split, number, _Author(words, split, f"{seed}/{split}/{number}")) for number in range(size)]
        for split, size in SIZES.items()
    }
    return {**made, "test": made["test"] + hard_cases()}


def hard_cases() -> list[dict[str, Any]]:
    """Return the rows of hard.toml, each a group of its own."""
    cases = tomllib.loads((HERE / "hard.toml").read_text(encoding="utf-8"))["case"]
    return [_hard_row(f"hard-{number:02}", case) for number, case in enumerate(cases)]


def _hard_row(name: str, case: dict[str, Any]) -> dict[str, Any]:
    clauses = sorted((_hard_clause(case["text"], clause) for clause in case["clauses"]), key=lambda each: each["start"])
    return {
        "id": name,
        "request": {"text": case["text"]},
        "response": {"clauses": clauses},
        "group": name,
        "tags": ["hard", f"hard:{case['kind']}"],
    }


def _hard_clause(text: str, clause: dict[str, Any]) -> dict[str, Any]:
    """Return a clause with its place; what it quotes stands in its document once, and each value in it once."""
    start, exact = text.index(clause["exact"]), clause["exact"]
    placed = {"label": clause["label"], "exact": exact, "start": start, "end": start + len(exact)}
    values = [
        {"kind": kind, "words": words, "value": normal, "start": at, "end": at + len(words)}
        for kind, words, normal in clause.get("values", ())
        for at in [start + exact.index(words)]
    ]
    return {**placed, "values": values} if values else placed


def _row(split: str, number: int, author: _Author) -> dict[str, Any]:
    text, clauses = author.document()
    name = f"{split}-{number:04}"
    response = {"clauses": [{"label": la, "exact": text[s:e], "start": s, "end": e} for la, s, e in clauses]}
    return {
        "id": name,
        "request": {"text": text},
        "response": response,
        "group": name,
        "tags": sorted(author.tags),
    }


class _Author:
    """Writes one document; everything random comes from one generator."""

    def __init__(self, words: dict[str, Any], split: str, seed: str) -> None:
        self.rng = random.Random(seed)
        self.words = words
        self.test = split == "test"
        self.tags: set[str] = set()
        self.pools = {name: list(pool) for name, pool in words["slots"]["seen"].items()}
        if self.test and self.rng.random() < UNSEEN_NAMES:
            self.pools = {name: list(pool) for name, pool in words["slots"]["unseen"].items()}
        kind = "unseen" if self.test and self.rng.random() < UNSEEN_STYLE else "seen"
        kind = "run_on" if self.rng.random() < RUN_ON_STYLE else kind
        self.style, (self.lead, self.opening) = self.rng.choice(list(words["styles"][kind].items()))
        self.tags.add(self.style)
        self.fixed = self._fixed_slots()

    def document(self) -> tuple[str, list[tuple[str, int, int]]]:
        """Return a text and its clauses: label, start and end."""
        page = _Page(self.rng)
        if self.style != "letter":
            page.heading(self.fixed["KIND"])
        page.paragraph([(self.fill(self.rng.choice(self.words["openings"][self.opening])), None)])
        if self.style == "run_on":
            page.run_on([sentence for section in self._sections() for sentence in section.sentences])
        else:
            for index, section in enumerate(self._sections(), start=1):
                page.section(self._lead(index, section), section.sentences)
        page.block(self.fill(self.rng.choice(self.words["closings"]["all"])))
        if len(page.text) > 1_400:
            self.tags.add("long")
        return page.finish()

    def _sections(self) -> list[Section]:
        long = self.rng.random() < LONG_SHARE
        labels = list(self.words["clauses"])
        present = self.rng.sample(labels, self.rng.choices(range(9), (4, 8, 16, 22, 22, 16, 8, 3, 1))[0])
        sections = [self._clause_section(label) for label in present]
        fillers = self.rng.choice((9, 12, 16, 24, 36)) if long else self.rng.randint(1, 3)
        sections += [self._filler_section() for _ in range(fillers)]
        self._distract(sections, self.rng.randint(0, 2) * (3 if long else 1))
        absent = [label for label in labels if label not in present]
        if self.style != "run_on" and self.rng.random() < QUOTED_ONLY * (2 if long else 1):
            self._add_quoted_clause(sections)
        if self.style != "run_on" and absent and self.rng.random() < 0.15:
            sections.append(self._reserved_section(self.rng.choice(absent)))
        self.rng.shuffle(sections)
        if present and self.rng.random() < 0.04:
            sections.append(self._repeated_section(sections))
        return sections

    def _clause_section(self, label: str) -> Section:
        source = self.words["clauses"][label]
        section = Section(self.rng.choice(source["headings"]), source["question"])
        section.sentences.append((self._wording(source), label))
        if self.rng.random() < 0.15:
            section.sentences.append((self.sentence(self.rng.choice(self.words["companions"]["all"])), None))
            if self.rng.random() < 0.5:
                section.sentences.append((self._wording(source), label))
        elif self.rng.random() < 0.3:
            section.sentences.append((self.sentence(self.rng.choice(self.words["companions"]["all"])), None))
        return section

    def _wording(self, source: dict[str, Any]) -> str:
        unseen = self.test and self.rng.random() < UNSEEN_WORDING
        if unseen:
            self.tags.add("unseen_wording")
        return self.sentence(self.rng.choice(source["unseen" if unseen else "seen"]))

    def _filler_section(self) -> Section:
        source = self.rng.choice(self.words["fillers"])
        count = self.rng.randint(1, min(3, len(source["sentences"])))
        sentences = self.rng.sample(source["sentences"], count)
        return Section(
            source["heading"], source["heading"], [(self.sentence(sentence), None) for sentence in sentences]
        )

    def _reserved_section(self, label: str) -> Section:
        source = self.words["clauses"][label]
        words = self.rng.choice(("Intentionally left blank.", "Reserved.", "Not applicable.", "To be agreed."))
        return Section(self.rng.choice(source["headings"]), source["question"], [(words, None)])

    def _repeated_section(self, sections: list[Section]) -> Section:
        labelled = [sentence for section in sections for sentence in section.sentences if sentence[1]]
        self.tags.add("repeated")
        return Section("Summary", "In short", [self.rng.choice(labelled)])

    def _distract(self, sections: list[Section], count: int) -> None:
        pool = self.words["distractors"]["seen"] + (self.words["distractors"]["unseen"] if self.test else [])
        for sentence in self.rng.sample(pool, count):
            target = self.rng.choice(sections)
            target.sentences.insert(self.rng.randint(0, len(target.sentences)), (self.sentence(sentence), None))

    def _add_quoted_clause(self, sections: list[Section]) -> None:
        """Add a clause that is only quoted, as an example of text that is not in force."""
        frames = self.words["frames"]["seen"] + (self.words["frames"]["unseen"] if self.test else [])
        clause = self._wording(self.rng.choice(list(self.words["clauses"].values())))
        frame = self.fill(self.rng.choice(frames).replace("{clause}", "\0")).replace("\0", clause)
        self.rng.choice(sections).sentences.append((frame, None))
        self.tags.add("quoted_only")

    def _lead(self, index: int, section: Section) -> str:
        lead: str = self.lead
        return lead.format(
            i=index,
            heading=section.heading,
            HEADING=section.heading.upper(),
            question=section.question,
            letter=_letter(index),
        )

    def fill(self, template: str) -> str:
        """Fill the slots, and start with a capital letter."""
        text = self._raw(template)
        return text[0].upper() + text[1:]

    def sentence(self, template: str) -> str:
        """Fill the slots of a sentence. It starts in lower case if it is part of a longer sentence."""
        if self.style != "run_on":
            return self.fill(template)
        text = self._raw(template)
        return text if template[0] == "{" else text[0].lower() + text[1:]

    def _raw(self, template: str) -> str:
        return template.format_map(_Slots(self.fixed, self._fresh))

    def _fixed_slots(self) -> dict[str, str]:
        role_a, role_b = self.rng.choice(self.pools["roles"])
        name_a, name_b = self.rng.sample(self.pools["names"], 2)
        kind = self.rng.choice(self.pools["kinds"])
        this = (
            self.rng.choice((f"this {kind}", "this Agreement", "this Contract"))
            if self.style != "letter"
            else "this letter"
        )
        named = {"nameA": name_a, "nameB": name_b, "roleA": role_a, "roleB": role_b, "A": role_a, "B": role_b}
        return {**named, "this": this, "kind": kind, "KIND": kind.upper()}

    def _fresh(self, slot: str) -> str:
        rng = self.rng
        if slot in ("law", "city", "territory"):
            return str(rng.choice(self.pools[{"law": "laws", "city": "cities", "territory": "territories"}[slot]]))
        if slot in ("days", "months", "years"):
            return _period(rng, slot)
        if slot == "amount":
            return _amount(rng)
        if slot == "date":
            month = rng.choice(("January", "March", "April", "June", "September", "October", "December"))
            day, year = rng.randint(1, 28), rng.randint(1996, 2031)
            return rng.choice(
                (f"{day} {month} {year}", f"{month} {day}, {year}", f"{year}-{rng.randint(1, 12):02}-{day:02}")
            )
        if slot == "pct":
            return rng.choice(("5%", "8 %", "five per cent", "3.5 percent", "ten percent (10%)"))
        return str(rng.randint(2, 24))


class _Slots(dict[str, str]):
    """Slots with a fixed value, and a fresh value for each other one."""

    def __init__(self, fixed: dict[str, str], fresh: Any) -> None:
        super().__init__(fixed)
        self._make = fresh

    def __missing__(self, key: str) -> str:
        return str(self._make(key))


class _Page:
    """Lays out sentences, with or without line breaks inside them, and records the positions of clauses."""

    def __init__(self, rng: random.Random) -> None:
        self.text = ""
        self.clauses: list[tuple[str, int, int]] = []
        self.width = rng.choice((0, 0, 0, 62, 78, 90))
        self.indent = rng.choice(("", "", "    "))
        self.gap = rng.choice((" ", " ", "  "))
        self.straight = rng.random() < 0.5
        self.decomposed = rng.random() < 0.05
        self.mark = rng.choice(("\U0001d538 ", "\U0001f4ce ", "✓ ")) if rng.random() < 0.04 else ""
        self.newline = "\r\n" if rng.random() < 0.04 else "\n"

    def heading(self, words: str) -> None:
        """Write a title."""
        self._add(self.mark + words)
        self._add("\n\n")

    def block(self, words: str) -> None:
        """Write lines as they are."""
        self._add(words)

    def section(self, lead: str, sentences: Sequence[tuple[str, str | None]]) -> None:
        """Write a section after its lead (number and heading)."""
        self._add(lead)
        self.paragraph(sentences)

    def paragraph(self, sentences: Sequence[tuple[str, str | None]]) -> None:
        """Write sentences one after the other, then an empty line."""
        for index, (sentence, label) in enumerate(sentences):
            self._add(self.gap if index else "")
            self._write(sentence, label)
        self._add("\n\n")

    def run_on(self, sentences: Sequence[tuple[str, str | None]]) -> None:
        """Join sentences into one: The parties agree that …, that …, and that …"""
        self._add("The parties agree ")
        for index, (sentence, label) in enumerate(sentences):
            last = index == len(sentences) - 1
            self._add("that " if index == 0 else ", and that " if last else ", that ")
            self._write(sentence.removesuffix("."), label)
        self._add(".\n\n")

    def finish(self) -> tuple[str, list[tuple[str, int, int]]]:
        """Return the text and its clauses."""
        return self.text, self.clauses

    def _write(self, sentence: str, label: str | None) -> None:
        start = len(self.text)
        self._add(self._wrapped(sentence))
        if label:
            self.clauses.append((label, start, len(self.text)))

    def _wrapped(self, sentence: str) -> str:
        if not self.width or "\n" in sentence:
            return sentence
        column = len(self.text) - self.text.rfind("\n") - 1
        written = ""
        for word in sentence.split(" "):
            if written and column + len(word) >= self.width:
                written += f"\n{self.indent}"
                column = len(self.indent)
            elif written:
                written += " "
                column += 1
            written += word
            column += len(word)
        return written

    def _add(self, text: str) -> None:
        if self.straight:
            text = text.replace("“", '"').replace("”", '"')
        text = unicodedata.normalize("NFD" if self.decomposed else "NFC", text)
        self.text += text.replace("\n", self.newline)


def _period(rng: random.Random, unit: str) -> str:
    counts = {"days": (7, 10, 14, 30, 45, 60, 90), "months": (3, 6, 12, 18, 24), "years": (2, 3, 5, 7)}
    words = {
        2: "two", 3: "three", 5: "five", 6: "six", 7: "seven", 10: "ten", 12: "twelve", 14: "fourteen",
        18: "eighteen", 24: "twenty-four", 30: "thirty", 45: "forty-five", 60: "sixty", 90: "ninety",
    }  # fmt: skip
    count = rng.choice(counts[unit])
    return rng.choice((f"{count} {unit}", f"{words[count]} {unit}", f"{words[count]} ({count}) {unit}"))


def _amount(rng: random.Random) -> str:
    size = rng.choice((250, 1_200, 40_000, 75_000, 250_000, 1_000_000, 2_500_000))
    return rng.choice(("£{:,}", "USD {:,}", "EUR {:,}.00", "${:,}", "{:,} Swiss francs")).format(size)


def _letter(number: int) -> str:
    letter = "abcdefghijklmnopqrstuvwxyz"[(number - 1) % 26]
    return letter * ((number - 1) // 26 + 1)


def lines(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield each row as a line of the file."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the data files."""
    for split, rows in generate().items():
        (HERE / "data" / f"{split}.jsonl").write_text("".join(lines(rows)), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
