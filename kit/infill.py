"""Fill-in-the-middle: which bases have sentinels for it, and how a prompt with a prefix and a suffix is made of them.

A base is recognised by its tokenizer's own added tokens, never by its name. All sentinels of a family must exist. The
orders are those of the model cards of each family.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kit.errors import InputError
from kit.task import File, Gap


@dataclass(frozen=True)
class Sentinels:
    """The special tokens of a family. `suffix_first`: the suffix comes before the prefix.

    `repository` and `file` start a repository and each of its files; `ends` are tokens that end the middle.
    """

    prefix: str
    suffix: str
    middle: str
    suffix_first: bool = False
    repository: str | None = None
    file: str | None = None
    ends: tuple[str, ...] = ()


class Special(Protocol):
    """An added token of a tokenizer."""

    @property
    def text(self) -> str:
        """Its name."""
        ...

    @property
    def id(self) -> int:
        """Its token id."""
        ...


class Tokens(Protocol):
    """What a renderer knows of its tokenizer."""

    @property
    def specials(self) -> Sequence[Special]:
        """All added tokens."""
        ...

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """The model's own end tokens."""
        ...

    def answer(self, text: str) -> tuple[int, ...]:
        """Return the ids of text without special tokens."""
        ...


_FAMILIES = (
    Sentinels(
        "<|fim_prefix|>",
        "<|fim_suffix|>",
        "<|fim_middle|>",
        repository="<|repo_name|>",
        file="<|file_sep|>",
        ends=("<|endoftext|>", "<|fim_pad|>", "<|im_start|>", "<|im_end|>", "<|file_separator|>", "<|end_of_text|>"),
    ),
    Sentinels(
        "<fim_prefix>",
        "<fim_suffix>",
        "<fim_middle>",
        repository="<repo_name>",
        file="<file_sep>",
        ends=("<|endoftext|>", "<fim_pad>"),
    ),
    Sentinels("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>", ends=("<|endoftext|>", "<|user|>")),
    Sentinels("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", ends=("<｜end▁of▁sentence｜>",)),
    Sentinels("<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>", ends=("<[end▁of▁sentence]>",)),
    Sentinels("▁<PRE>", "▁<SUF>", "▁<MID>", ends=("▁<EOT>", "</s>")),
    Sentinels("[PREFIX]", "[SUFFIX]", "", suffix_first=True, ends=("</s>", "[MIDDLE]")),
)


def sentinels_of(renderer: Tokens) -> Sentinels | None:
    """Return the sentinels that a base has; None if it has no complete set."""
    known = {special.text for special in renderer.specials}
    return next((each for each in _FAMILIES if {each.prefix, each.suffix, each.middle} - {""} <= known), None)


def require_sentinels(renderer: Tokens) -> Sentinels:
    """Return the sentinels that a base has. Raises InputError with what the tokenizer lacks."""
    if (found := sentinels_of(renderer)) is not None:
        return found
    raise InputError(
        "This base cannot fill in a middle: its tokenizer has no tokens for the prefix, the suffix and the middle.",
        next="Send the text before the gap as a prompt without a suffix, or serve a base such as Qwen2.5-Coder.",
    )


def infill_ids(
    renderer: Tokens, prefix: str, suffix: str, files: Sequence[File] = (), after: str = ""
) -> tuple[int, ...]:
    """Return the token ids of a prompt whose answer is the text between prefix and suffix.

    No text of the caller can become a special token. `files` come first: in blocks of their own if the base has a
    token for files, else as plain text. `after` follows the last sentinel. Raises InputError as `require_sentinels`.
    """
    family = require_sentinels(renderer)
    ids = {special.text: special.id for special in renderer.specials}

    def token(text: str | None) -> tuple[int, ...]:
        return (ids[text],) if text in ids else ()

    head = _context(renderer, family, token(family.file), files)
    before, behind = renderer.answer(prefix), renderer.answer(suffix)
    if family.suffix_first:
        body = (*token(family.suffix), *behind, *token(family.prefix), *before, *token(family.middle))
    else:
        body = (*token(family.prefix), *before, *token(family.suffix), *behind, *token(family.middle))
    return (*head, *body, *renderer.answer(after))


def foreign_gap(renderer: Tokens, prompt: str) -> Gap | None:
    """Return the gap that a prompt marks with the sentinels of another family, which this base reads as plain text.

    Editors choose sentinels by the name of a model, and can be wrong. The prompt has each of the three once, in the
    order prefix, suffix, middle, and nothing after them. None for any other prompt, and for a base without sentinels.
    """
    own = sentinels_of(renderer)
    for family in _FAMILIES:
        if own is None or family is own or family.suffix_first:
            continue
        if gap := _marked(family, prompt):
            return gap
    return None


def _marked(family: Sentinels, prompt: str) -> Gap | None:
    """Return the gap in a prompt of a family; None if the prompt is not complete."""
    if any(prompt.count(name) != 1 for name in (family.prefix, family.suffix, family.middle)):
        return None
    head, _, rest = prompt.partition(family.prefix)
    prefix, _, rest = rest.partition(family.suffix)
    suffix, middle, after = rest.partition(family.middle)
    if not middle or after.strip():
        return None
    starts = [re.escape(name) for name in (family.repository, family.file) if name]
    parts = re.split("|".join(starts), head) if starts else [head]
    files = (part.partition("\n") for part in parts if part.strip())
    return Gap(prefix, suffix, tuple(File(name, text) for name, _, text in files))


def _context(
    renderer: Tokens, family: Sentinels, file_token: tuple[int, ...], files: Sequence[File]
) -> tuple[int, ...]:
    """Return the ids of the other files, each under its name."""
    if not files:
        return ()
    if not file_token:
        return tuple(id for file in files for id in renderer.answer(f"{file.text}\n"))
    repository = {special.text: special.id for special in renderer.specials}.get(family.repository or "")
    start = () if repository is None else (repository, *renderer.answer("repository\n"))
    blocks = (id for file in files for id in (*file_token, *renderer.answer(f"{file.name}\n{file.text}\n")))
    return (*start, *blocks, *file_token)


def infill_end(renderer: Tokens) -> tuple[int, ...]:
    """Return the id that a model is taught to write after a middle: the first end token of its family that it has."""
    ids = {special.text: special.id for special in renderer.specials}
    ends = [ids[end] for end in require_sentinels(renderer).ends if end in ids]
    return tuple(ends[:1] or renderer.stop_ids[:1])


def infill_stop_ids(renderer: Tokens) -> tuple[int, ...]:
    """Return the ids that end a middle: the base's own end tokens, and every token that starts another part."""
    family = require_sentinels(renderer)
    names = {family.prefix, family.suffix, family.middle, family.repository, family.file, *family.ends}
    ids = {special.id for special in renderer.specials if special.text in names}
    return tuple(sorted(ids | set(renderer.stop_ids)))


def stop_ids_after(renderer: Tokens, ids: Sequence[int]) -> tuple[int, ...]:
    """Return the ids that end the answer to a prompt: those of a middle if the prompt marks a gap, else the base's."""
    family = sentinels_of(renderer)
    if family is None:
        return renderer.stop_ids
    names = {family.prefix, family.suffix, family.middle} - {""}
    marks = {special.id for special in renderer.specials if special.text in names}
    return infill_stop_ids(renderer) if marks <= set(ids) else renderer.stop_ids
