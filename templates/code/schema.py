"""What a client sends, what it gets back, and the settings of the task."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, field_validator

from kit.task import Strict, Task

LONGEST = 100_000
_SUFFIXES = {
    "c": "c", "cpp": "cpp", "cs": "csharp", "css": "css", "go": "go", "html": "html", "java": "java",
    "js": "javascript", "json": "json", "kt": "kotlin", "md": "markdown", "php": "php", "py": "python",
    "pyi": "python", "rb": "ruby", "rs": "rust", "sh": "shell", "sql": "sql", "toml": "toml", "ts": "typescript",
    "yaml": "yaml", "yml": "yaml",
}  # fmt: skip

Order = Literal["psm", "spm"]
Stopped = Literal["end", "budget", "syntactic_end", "overlap"]


class CompletionRequest(Strict):
    """The text before and after the cursor."""

    prefix: Annotated[str, Field(max_length=LONGEST, description="The text of the file before the cursor")]
    suffix: Annotated[str, Field(max_length=LONGEST, description="The text of the file after the cursor")] = ""
    language: Annotated[
        str | None,
        Field(max_length=40, description="The language, such as python; without it, the path tells, else it is Python"),
    ] = None
    path: Annotated[str | None, Field(max_length=400, description="The name of the file, such as src/app.py")] = None
    order: Annotated[Order, Field(description="What the model reads first: psm, the prefix; spm, the suffix")] = "psm"

    @property
    def language_name(self) -> str:
        """The language in lower case; Python where neither the language nor a known ending of the path says more."""
        if self.language:
            return self.language.strip().lower()
        ending = PurePosixPath(self.path or "").suffix.lstrip(".").lower()
        return _SUFFIXES.get(ending, ending) or "python"


class CodeCompletion(Strict):
    """The text to insert at the cursor."""

    completion: Annotated[str, Field(description="The text to insert between prefix and suffix")]
    stopped: Annotated[
        Stopped,
        Field(
            description="Why it ends: end, the model ended it; budget, no tokens were left; syntactic_end, it was cut "
            "where the file parses; overlap, a repeated start of the suffix was removed"
        ),
    ] = "end"
    parses: Annotated[
        bool | None,
        Field(description="Whether prefix, completion and suffix are Python together; null: not Python, or too long"),
    ] = None


class Options(Task.Options):
    """Settings of the task in recipe.yaml."""

    prefix_bytes: Annotated[
        int,
        Field(ge=64, le=1_000_000, description="Most UTF-8 bytes of the prefix that the model reads: the last ones"),
    ] = 5_500
    suffix_bytes: Annotated[
        int,
        Field(ge=0, le=1_000_000, description="Most UTF-8 bytes of the suffix that the model reads: the first ones"),
    ] = 2_000
    answer_tokens: Annotated[int, Field(ge=8, le=4096, description="Tokens that one completion may take")] = 256
    sentinels: Annotated[
        tuple[str, str, str],
        Field(description="For the order spm: the base's own tokens for prefix, suffix and middle"),
    ] = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")

    @field_validator("sentinels")
    @classmethod
    def _three(cls, names: tuple[str, str, str]) -> tuple[str, str, str]:
        if any(not name.strip() for name in names) or len(set(names)) < len(names):
            raise ValueError("sentinels are three different names of tokens")
        return names
