"""Completes code at the cursor: reads the text before and after it, and returns the text between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from kit.metrics.reductions import mean_of
from kit.task import Completion, Example, FreeText, Gap, Predictor, Prompt, Record, Task, Text, UnreadableAnswer

from .baseline import fit_nearest
from .reading import read_middle
from .schema import CodeCompletion, CompletionRequest, Options
from .scoring import compare


class Complete(Task[CompletionRequest, CodeCompletion]):
    """From the text around the cursor to the text at the cursor."""

    name = "complete"
    route = "/v1/code/complete"
    request_type = CompletionRequest
    response_type = CodeCompletion
    Options = Options
    metrics: ClassVar = {
        "exact_match": mean_of("exact", description="Share of completions that are the expected text, but for blanks"),
        "edit_similarity": mean_of("edit_similarity", description="1 minus the edit distance over the longer length"),
        "first_line_match": mean_of("first_line", description="Share whose first line is the expected one"),
        "stop_correctness": mean_of(
            "stop_right", description="Share that the model ended itself, after as many lines as expected"
        ),
        "suffix_repetition": mean_of(
            "repeats_suffix", False, "Share in which the model repeated the suffix; it is removed from the answer"
        ),
        "syntax_validity": mean_of("parses", description="Share of Python files that parse after the insertion"),
    }
    main_metric = "exact_match"
    baseline_name = "the completion of the training gap with the most similar lines around it (TF-IDF)"

    def gap(self, request: CompletionRequest) -> Gap:
        """Return what the model reads: the end of the prefix and the start of the suffix, in whole lines if it can."""
        options = self.options
        prefix = _last_bytes(request.prefix, options.prefix_bytes)
        return Gap(prefix, _first_bytes(request.suffix, options.suffix_bytes))

    def prompts(self, request: CompletionRequest) -> list[Prompt]:
        """One prompt: prefix, suffix, middle; or the suffix first; or the prefix alone if there is no suffix."""
        gap, tokens = self.gap(request), self.options.answer_tokens
        if not gap.suffix.strip() and gap.prefix:
            return [Prompt(FreeText(), tokens, raw=(Text(gap.prefix),))]
        if request.order == "psm":
            return [Prompt(FreeText(), tokens, gap=gap)]
        before, after, middle = (Text(name, trusted=True) for name in self.options.sentinels)
        return [Prompt(FreeText(), tokens, raw=(before, after, Text(gap.suffix), middle, Text(gap.prefix)))]

    def targets(self, request: CompletionRequest, response: CodeCompletion) -> list[str]:  # noqa: ARG002
        """Return what the model should write: the text of the gap. The kit teaches the end token after it."""
        return [response.completion]

    def read(self, request: CompletionRequest, completions: Sequence[Completion]) -> CodeCompletion:
        """Return what may be inserted: see reading.py. What the model wrote is never returned unread."""
        if not completions or completions[0].finish == "abort":
            raise UnreadableAnswer("The model wrote no completion.")
        answer, python = completions[0], request.language_name == "python"
        cut = answer.finish == "length"
        read = read_middle(request.prefix, request.suffix, answer.text, python, cut, self.options.sentinels)
        return CodeCompletion(completion=read.text, stopped=read.stopped, parses=read.parses)

    def observe(self, expected: CodeCompletion, actual: CodeCompletion) -> Record:
        """Return what one completion adds to the metrics; see scoring.py."""
        return compare(expected, actual)

    def fit_baseline(self, examples: Sequence[Example[Any, Any]]) -> Predictor:
        """Learn the classical baseline from training examples; see baseline.py."""
        return fit_nearest(examples)


def _last_bytes(text: str, most: int) -> str:
    """Return the end of a text, from the start of a line if one starts there."""
    if len(text.encode()) <= most:
        return text
    tail = text.encode()[-most:].decode(errors="ignore")
    _, newline, lines = tail.partition("\n")
    return lines if newline and lines.strip() else tail


def _first_bytes(text: str, most: int) -> str:
    """Return the start of a text, up to the end of a line if one ends there."""
    if len(text.encode()) <= most:
        return text
    head = text.encode()[:most].decode(errors="ignore")
    lines, newline, _ = head.rpartition("\n")
    return f"{lines}\n" if newline and lines.strip() else head
