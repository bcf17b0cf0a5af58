"""Training rows in the shapes that decide how much a trainer can save, made from the legal template's documents."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.shared.clauses import FIRST, RENDERER, Clause, Kind, documents, part
from bench.shared.harness import ROOT
from kit.data.rows import Row
from kit.project.project import Data, Project
from kit.recipe import TrainSection
from kit.task import Example, FreeText, Message, Prompt, Task, Text

_HOUSE_RULES = (
    "You read contracts for the legal department of a company that buys more than it sells. Colleagues send you "
    "one clause at a time, copied from a draft, and want to know what kind of clause it is before they read on. "
    "Answer with the kind alone, in lower case, and with nothing else: no full stop, no greeting, no explanation. "
    "A clause that forbids handing the contract on to others is an assignment clause, even where it allows "
    "exceptions within a group. A right to look into books, records or premises is an audit right, whoever pays "
    "for the visit. A duty to keep what was learned to oneself is confidentiality, and stays so where it outlives "
    "the contract. A promise to buy from, or to sell to, nobody else is exclusivity. The choice of a country's or "
    "a state's law is governing law; a choice of courts alone is not. A duty to hold a policy of a certain kind "
    "or size is insurance. Where a clause does two things, name the one that it spends more words on. Where words "
    "are missing because the draft was cut, judge by what is there. Figures and names do not matter for the kind. "
    "Clauses of other drafts that you were shown before say nothing about this one. You do not give advice, and "
    "you do not say whether a clause is good for the company."
)


@dataclass(frozen=True)
class Workload:
    """Training rows, held-out rows of other documents, and the training settings."""

    rows: Sequence[Row]
    held_out: Sequence[Row]
    section: TrainSection

    @property
    def tokens(self) -> int:
        """Number of tokens in the rows, without padding."""
        return sum(len(row.ids) for row in self.rows)

    @property
    def longest(self) -> int:
        """Number of tokens in the longest row."""
        return max(len(row.ids) for row in self.rows)


def shared_context() -> Workload:
    """Contracts of about 1,300 tokens, each with forty questions: which words follow a given passage."""
    rows = [row for number in range(4) for row in _asked("train", number)]
    return Workload(rows, _asked("test", 0), _section(batch_rows=20, order="grouped", group_rows=20))


def shared_prompt() -> Workload:
    """Instructions of about 300 tokens before every clause, and a name of two tokens as the answer."""
    some = part(FIRST, 192, 48)
    return Workload([_with_rules(row) for row in some.train], [_with_rules(row) for row in some.test], _section())


def nothing_shared() -> Workload:
    """A passage of a contract, and a clause in it: no two rows share a prefix."""
    return Workload(list(_pieces("train", 128)), list(_pieces("test", 32)), _section(batch_rows=8))


def legal() -> Workload:
    """The rows and the recipe of the legal template's smoke profile, but without warm-up, as in the other workloads."""
    data = _legal()
    section = data.recipe.train.model_copy(update={"schedule": "linear", "warmup": 0.0})
    return Workload(data.rows(RENDERER, "train").rows, data.rows(RENDERER, "validation").rows, section)


def legal_task() -> tuple[Task[Any, Any], list[Example[Any, Any]]]:
    """Return the task of the smoke profile and its test examples."""
    data = _legal()
    return data.task, data.examples("test")


WORKLOADS: dict[str, Callable[[], Workload]] = {
    each.__name__: each for each in (shared_context, shared_prompt, nothing_shared, legal)
}


def _legal() -> Data:
    project = Project(ROOT / "templates" / "legal")
    return project.data(project.recipe("smoke"))


def _section(**settings: Any) -> TrainSection:
    chosen = {"learning_rate": 2e-3, "epochs": 1, "schedule": "linear", "warmup": 0.0, "evaluations": 1, **settings}
    return TrainSection.model_validate(chosen)


def _asked(split: str, number: int, questions: int = 40, tokens: int = 1300) -> list[Row]:
    """Return rows with one long text of several contracts, each with another question about it."""
    chance = random.Random(f"{split}/{number}")
    words = " ".join(chance.sample(_texts(split), 8)).split()
    while len(RENDERER.answer(" ".join(words))) > tokens:
        words = words[: -max(1, len(words) // 100)]
    rows = []
    for question in range(questions):
        at = chance.randrange(len(words) - 20)
        request = f"{' '.join(words)}\n\nGo on after: {' '.join(words[at : at + 8])}"
        answer = " ".join(words[at + 8 : at + 20])
        rows.append(_row(f"{split}-{number}-{question}", f"{split}-{number}", request, answer))
    return rows


def _with_rules(example: Example[Clause, Kind]) -> Row:
    return _row(example.id, example.group, example.request.text, example.response.label, _HOUSE_RULES)


def _pieces(split: str, count: int) -> Iterator[Row]:
    """Yield rows with a passage of 300 to 1,800 characters around a clause, and the clause as the answer."""
    chance = random.Random(split)
    with_clauses = [document for document in documents(split) if document["response"]["clauses"]]
    for document in chance.sample(with_clauses, count):
        clause, size = chance.choice(document["response"]["clauses"]), chance.randint(300, 1800)
        start = max(0, clause["start"] - chance.randint(1, size))
        text = document["request"]["text"][start : start + size]
        yield _row(document["id"], document["group"], text, clause["exact"][:160])


def _row(name: str, group: str, request: str, answer: str, rules: str = "") -> Row:
    system = [Message("system", (Text(rules, trusted=True),))] if rules else []
    made = RENDERER.supervised(Prompt(FreeText(), 128, (*system, Message.of("user", request))), answer)
    return Row(name, group, made.ids, made.answer_start)


def _texts(split: str) -> list[str]:
    return [document["request"]["text"] for document in documents(split)]
