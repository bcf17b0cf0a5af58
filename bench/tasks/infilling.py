"""Fill in one missing line of a program: trained on small programs and the standard library, tested on HumanEval."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from bench.shared.tuning import Trial
from kit.data.split import limited
from kit.metrics.reductions import mean_of
from kit.recipe import TrainSection
from kit.task import Completion, Example, Prompt, Strict, Task
from pretrain.exercises import Context, passages
from pretrain.exercises.code import fill_line
from pretrain.texts.documents import Document, split
from pretrain.texts.pieces import Infill, infill_prompt
from pretrain.texts.reading import small_programs, standard_library

_ROWS = 6000


class Gap(Strict):
    """A program with a gap."""

    prefix: str
    suffix: str


class Filling(Strict):
    """The missing text."""

    middle: str


class Infilling(Task[Gap, Filling]):
    """Fill a gap of one line."""

    name = "infilling"
    route = "/v1/infill"
    request_type = Gap
    response_type = Filling
    metrics: ClassVar = {"exact_match": mean_of("same", description="Share of lines that match except for blanks")}
    main_metric = "exact_match"
    baseline_name = "the line that is missing most often"

    def prompts(self, request: Gap) -> list[Prompt]:
        """One raw prompt with the base's infilling tokens."""
        return [infill_prompt(Infill(request.prefix, request.suffix, ""), max_tokens=96)]

    def targets(self, request: Gap, response: Filling) -> list[str]:
        """The line."""
        return [response.middle]

    def read(self, request: Gap, completions: Sequence[Completion]) -> Filling:
        """The generated line."""
        return Filling(middle=completions[0].text if completions else "")

    def observe(self, expected: Filling, actual: Filling) -> Mapping[str, float]:
        """Whether the lines match except for blanks."""
        return {"same": float(expected.middle.split() == actual.middle.split())}

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Callable[[Any], Any]:
        """Always answer the most frequent line."""
        ((line, _),) = Counter(each.response.middle.strip() for each in examples).most_common(1)
        return lambda _: Filling(middle=line)


def infilling(data: Path, minutes: float = 5.0, tested: int = 300) -> Trial:
    """Return a trial on HumanEval single-line infilling, trained on programs that pretraining may read too."""
    section = TrainSection(learning_rate=1e-3, epochs=4, batch_rows=16, evaluations=1, warmup=0.05)
    train = list(islice(_gaps(data), _ROWS))
    return Trial(Infilling(), train, limited(list(_human_eval(data)), tested), section, minutes)


def _gaps(data: Path) -> Iterator[Example[Gap, Filling]]:
    draw = random.Random(0)
    documents, _ = split([*small_programs(data / "code" / "mbpp"), *standard_library(data)])
    draw.shuffle(documents)
    for number, passage in enumerate(part for each in documents for part in passages(_program(each), draw, 200, 900)):
        for piece in fill_line(passage, Context(()), draw):
            if isinstance(piece, Infill) and len(piece.middle) < 100:
                yield _example(f"gap-{number}", passage.group, piece.prefix, piece.suffix, piece.middle)


def _program(document: Document) -> Document:
    """Return a document with only the code."""
    text = document.turns[-1][1] if document.turns else document.text
    return Document(document.source, document.group, text)


def _human_eval(data: Path) -> Iterator[Example[Gap, Filling]]:
    file = data / "code" / "humaneval_infilling" / "HumanEval-SingleLineInfilling.jsonl.gz"
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        for row in map(json.loads, stream):
            group = row["task_id"].rpartition("/")[0]
            yield _example(row["task_id"], group, row["prompt"], row["suffix"], row["canonical_solution"])


def _example(name: str, group: str, prefix: str, suffix: str, middle: str) -> Example[Gap, Filling]:
    gap, filling = Gap(prefix=prefix, suffix=suffix), Filling(middle=middle)
    return Example[Gap, Filling](id=name, request=gap, response=filling, group=group)
