"""The renderer: turns a prompt (and an answer) into token ids and a loss mask. The project has no other renderer.

It uses `tokenizers` and Jinja's sandbox, so that rendering loads no deep-learning package. Text from a user never
becomes a special token: only the template's own text and trusted segments can have special tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from kit.errors import InputError
from kit.infill import infill_end, infill_ids, infill_stop_ids
from kit.task import Message, Prompt, Text

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json")
Tools = Sequence[Mapping[str, Any]]
_REMEMBERED, _SHORT = 512, 512  # limits of the cache of tokenised text: number of pieces, and characters per piece
_PRIVATE_USE = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE), range(0x100000, 0x10FFFE))


@dataclass(frozen=True)
class Special:
    """An added token of the vocabulary, such as the end of a turn."""

    text: str
    id: int
    lstrip: bool
    rstrip: bool


@dataclass(frozen=True)
class Supervised:
    """A training row of token ids. The loss covers those from `answer_start`, including the end token."""

    ids: tuple[int, ...]
    answer_start: int

    @property
    def labels(self) -> int:
        """Number of supervised tokens."""
        return len(self.ids) - self.answer_start


class Renderer:
    """Renders prompts for one model.

    Raises InputError if the folder has no tokenizer.json or no chat template, or if the template fails.
    """

    def __init__(self, folder: Path, template_args: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self.template_args = dict(template_args or {})
        self._definition = _read_tokenizer(folder)
        self._config = _read_json(folder / "tokenizer_config.json")
        rows = _read_json(folder / "config.json").get("vocab_size")
        self._rows = rows if isinstance(rows, int) else None
        self._tokenizer = _parsed(self._definition, folder)
        self._first = _without_added_tokens(self._definition)
        self._rest = _without_added_tokens(_never_prepend(self._definition))
        self.specials = tuple(
            Special(token["content"], token["id"], token["lstrip"], token["rstrip"])
            for token in sorted(self._definition["added_tokens"], key=lambda token: -len(token["content"]))
        )
        self._special_ids = {special.text: special for special in self.specials}
        pattern = "|".join(re.escape(special.text) for special in self.specials)
        self._special_pattern = re.compile(f"({pattern})" if pattern else r"(?!)()")
        self._overlapping = re.compile(f"(?={self._special_pattern.pattern})")

    # --- text -------------------------------------------------------------------------------------------------

    @cached_property
    def template_text(self) -> str:
        """The chat template's source."""
        file = self.folder / "chat_template.jinja"
        if file.is_file():
            return file.read_text(encoding="utf-8")
        template = self._config.get("chat_template")
        if isinstance(template, list):
            template = next((item["template"] for item in template if item["name"] == "default"), None)
        if not template:
            advice = "Choose an instruction-tuned base, or put its template into this folder as chat_template.jinja."
            raise InputError("The model has no chat template.", str(self.folder), advice)
        return str(template)

    @property
    def template_file(self) -> Path:
        """The file that the chat template is in."""
        file = self.folder / "chat_template.jinja"
        return file if file.is_file() else self.folder / "tokenizer_config.json"

    _breaks = (TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)

    @cached_property
    def _template(self) -> Any:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.filters["tojson"] = _tojson
        environment.globals["raise_exception"] = _raise
        return environment.from_string(self.template_text)

    def text(self, messages: Sequence[Message], generation: bool) -> str:
        """Render messages to text; with `generation`, up to the point where the assistant's answer starts."""
        return self._rendered(messages, generation).replace(self._mark(messages), "")

    def _rendered(self, messages: Sequence[Message], generation: bool, tools: Tools = ()) -> str:
        """Render with a mark inside every special token that untrusted text spells, so that it stays plain text."""
        mark = self._mark(messages, tools)
        rows = [self._row(message, mark) for message in messages]
        names = {key: self._token_text(key) for key in ("bos_token", "eos_token", "pad_token", "unk_token")}
        try:
            return str(
                self._template.render(
                    messages=rows,
                    add_generation_prompt=generation,
                    tools=[self._defused_data(tool, mark) for tool in tools] or None,
                    documents=None,
                    **{**names, **self.template_args},
                )
            )
        except self._breaks as error:
            what = f"The chat template refused the dialogue: {error}"
            raise InputError(what, str(self.template_file)) from error

    def _row(self, message: Message, mark: str) -> dict[str, Any]:
        """Return a message as chat templates read it. Calls and their results are untrusted."""
        row: dict[str, Any] = {"role": message.role, "content": self._defused(message.segments, mark)}
        if message.calls:
            row["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": self._defused_data({"name": call.name, "arguments": json.loads(call.arguments)}, mark),
                }
                for call in message.calls
            ]
        if message.answers is not None:
            row["tool_call_id"] = message.answers
        return row

    def _defused_data(self, data: Any, mark: str) -> Any:
        """Return JSON data with every string in it defused, names of fields too."""
        if isinstance(data, str):
            return self._defused((Text(data),), mark)
        if isinstance(data, Mapping):
            return {self._defused_data(key, mark): self._defused_data(value, mark) for key, value in data.items()}
        return [self._defused_data(item, mark) for item in data] if isinstance(data, list) else data

    def _defused(self, segments: Sequence[Text], mark: str) -> str:
        text = "".join(segment.text for segment in segments)
        trusted = [segment.trusted for segment in segments for _ in segment.text]
        cuts = [
            match.start() + 1
            for match in self._overlapping.finditer(text)
            if not all(trusted[match.start() : match.start() + len(match.group(1))])
        ]
        return mark.join(text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True))

    @staticmethod
    def _mark(messages: Sequence[Message], tools: Tools = ()) -> str:
        """Return a private-use character that is in no message. Raises InputError if the messages have all 137,468."""
        used: set[str] = set().union(*(message.text for message in messages))
        calls = [(call.name, json.loads(call.arguments)) for message in messages for call in message.calls]
        used |= set(json.dumps([*tools, calls], ensure_ascii=False)) if tools or calls else set()
        mark = next((chr(code) for code in chain(*_PRIVATE_USE) if chr(code) not in used), None)
        if mark is None:
            raise InputError("The text contains every private-use character of Unicode.", next="Remove some of them.")
        return mark

    def _token_text(self, key: str) -> str | None:
        token = self._config.get(key)
        return token["content"] if isinstance(token, dict) else token

    # --- token ids --------------------------------------------------------------------------------------------

    def dialogue(self, messages: Sequence[Message], generation: bool = False, tools: Tools = ()) -> tuple[int, ...]:
        """Return the token ids of a dialogue. `tools` are function definitions as chat templates read them."""
        return self._encode(self._rendered(messages, generation, tools), self._mark(messages, tools))

    def trusted(self, text: str) -> tuple[int, ...]:
        """Return the token ids of text in which the names of special tokens stand for these tokens."""
        return self._encode(text, mark="")

    def prompt(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the token ids that the model reads before it writes its answer."""
        if prompt.gap is not None:
            return infill_ids(self, prompt.gap.prefix, prompt.gap.suffix, prompt.gap.files)
        if prompt.messages:
            return self.dialogue(prompt.messages, generation=True)
        message = Message("user", prompt.raw)
        mark = self._mark([message])
        return self._encode(self._defused(prompt.raw, mark), mark)

    def supervised(self, prompt: Prompt, answer: str) -> Supervised:
        """Return a training row: the prompt, the answer, and the end of its turn.

        The answer is tokenised on its own, because the model writes it after the last token of the prompt.
        """
        head = self.prompt(prompt)
        tail = self._turn_tail if prompt.gap is None else infill_end(self)
        return Supervised((*head, *self.answer(answer), *tail), len(head))

    def answer(self, text: str) -> tuple[int, ...]:
        """Return the token ids of an answer, without special tokens and without the end of the turn."""
        return self._plain(text, first=False)

    @cached_property
    def _turn_tail(self) -> tuple[int, ...]:
        """Ids that follow an answer, up to and including the special token that ends the turn.

        Raises InputError if a finished dialogue does not start with its own prompt, or its turn never ends.
        """
        user, reply = Message.of("user", "Hello"), "Good day"
        prompt = self.text([user], generation=True)
        whole = self.text([user, Message.of("assistant", reply)], generation=False)
        if not whole.startswith(prompt + reply):
            raise InputError(*self._broken_prefix(self.text([user], generation=False), prompt, whole))
        tail = whole[len(prompt + reply) :]
        end = self._special_pattern.search(tail)
        if end is None:
            raise InputError("The chat template never ends the assistant's turn.", str(self.template_file))
        return self._encode(tail[: end.end()], mark="")

    def _broken_prefix(self, asked: str, prompt: str, whole: str) -> tuple[str, str, str]:
        """Explain why a finished dialogue does not start with its own prompt: what is wrong, where, and what to do."""
        where, begins = str(self.template_file), whole[len(prompt) :][:40]
        if whole.startswith(prompt) and prompt == asked:
            what = f"The chat template has no generation prompt: after a question, the answer starts with {begins!r}."
            return what, where, "Write the text before the answer if add_generation_prompt is true."
        what = "A finished dialogue does not start with its own prompt."
        if "think" in self.template_text:
            return what, where, "If this is a reasoning model, set base.template_args: {enable_thinking: false}."
        return what, where, "Make the template write the same text before an answer as in a finished dialogue."

    def _encode(self, text: str, mark: str) -> tuple[int, ...]:
        """Tokenise text; every special token in it counts as one."""
        pieces = self._special_pattern.split(text)
        ids: list[int] = []
        for index, piece in enumerate(pieces):
            if index % 2:
                ids.append(self._special_ids[piece].id)
                continue
            before = self._special_ids.get(pieces[index - 1]) if index else None
            after = self._special_ids.get(pieces[index + 1]) if index + 1 < len(pieces) else None
            piece = piece.lstrip() if before and before.rstrip else piece
            piece = piece.rstrip() if after and after.lstrip else piece
            ids.extend(self._plain(piece.replace(mark, "") if mark else piece, first=index == 0))
        self._refuse_unknown(ids)
        return tuple(ids)

    def _refuse_unknown(self, ids: Sequence[int]) -> None:
        """Raise InputError for a token that the model has no embedding for."""
        highest = max(ids, default=0)
        if self._rows is not None and highest >= self._rows:
            token = self._tokenizer.id_to_token(highest)
            what = f"The token '{token}' has the id {highest}; the model has embeddings for 0 to {self._rows - 1}."
            advice = "Use this base's own tokenizer and chat template."
            raise InputError(what, str(self.folder / "tokenizer.json"), advice)

    def _plain(self, text: str, first: bool) -> tuple[int, ...]:
        """Tokenise text without special tokens. Short pieces, which each window of a document repeats, are cached."""
        return self._remembered(text, first) if len(text) <= _SHORT else self._words(text, first)

    @cached_property
    def _remembered(self) -> Callable[[str, bool], tuple[int, ...]]:
        return lru_cache(_REMEMBERED)(self._words)

    def _words(self, text: str, first: bool) -> tuple[int, ...]:
        """Tokenise text, split wherever the vocabulary would produce a special token."""
        tokenizer = self._first if first else self._rest
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        if not self.special_ids.isdisjoint(ids):
            cuts = [match.start() + 1 for match in self._overlapping.finditer(text)]
            parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
            ids = [id for part in parts for id in self._rest.encode(part, add_special_tokens=False).ids]
        return tuple(ids)

    @cached_property
    def leading_ids(self) -> tuple[int, ...]:
        """Ids that the tokenizer itself puts before a text, such as the token that begins a text."""
        alone = self._tokenizer.encode("", add_special_tokens=True).ids
        return tuple(alone[:1])

    @property
    def special_names(self) -> dict[str, str | None]:
        """The tokenizer's class and the names of its special tokens, as tokenizer_config.json has them."""
        names = {key: self._token_text(key) for key in ("bos_token", "eos_token", "pad_token")}
        return {"tokenizer_class": str(self._config.get("tokenizer_class", "")), **names}

    # --- special tokens --------------------------------------------------------------------------------------

    @cached_property
    def special_ids(self) -> frozenset[int]:
        """Ids of all added tokens."""
        return frozenset(special.id for special in self.specials)

    @property
    def turn_end(self) -> int:
        """Id of the token that ends the assistant's turn, found by rendering a dialogue."""
        return self._turn_tail[-1]

    @cached_property
    def stop_ids(self) -> tuple[int, ...]:
        """The model's end tokens: end of turn, configuration and generation configuration, without the padding."""
        ends = {self.turn_end}
        for name in ("config.json", "generation_config.json"):
            declared = _read_json(self.folder / name).get("eos_token_id")
            ends.update(declared if isinstance(declared, list) else [] if declared is None else [declared])
        return tuple(sorted(ends - ({self.pad_id} - {self.turn_end})))

    def stops(self, prompt: Prompt) -> tuple[int, ...]:
        """Return the ids that end the answer to a prompt."""
        return self.stop_ids if prompt.gap is None else infill_stop_ids(self)

    @cached_property
    def pad_id(self) -> int:
        """Id used to fill batches. No loss is computed on it, and no token attends to it."""
        pad = self._token_text("pad_token")
        return self._special_ids[pad].id if pad in self._special_ids else self.turn_end

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, added ones included."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids without special tokens."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))


def _read_tokenizer(folder: Path) -> dict[str, Any]:
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise InputError(
            "The model has no tokenizer.json.", str(folder), "Choose a base that has one; others are not supported."
        )
    return {"added_tokens": [], **_read_json(file)}


def _parsed(definition: Mapping[str, Any], folder: Path) -> Tokenizer:
    try:
        return Tokenizer.from_str(json.dumps(definition))
    except Exception as error:  # the library raises plain exceptions
        where = str(folder / "tokenizer.json")
        raise InputError(f"The tokenizer cannot be read: {error}.", where, "Get this file again.") from None


def _read_json(file: Path) -> dict[str, Any]:
    """Return a JSON object; empty if there is no such file. Raises InputError if it is something else."""
    if not file.is_file():
        return {}
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"This file cannot be read: {error}.", str(file), "Get it again.") from None


def _without_added_tokens(definition: Mapping[str, Any]) -> Tokenizer:
    return Tokenizer.from_str(json.dumps({**definition, "added_tokens": [], "post_processor": None}))


def _never_prepend(definition: Any) -> Any:
    """Return the definition for text that is not at the start: it adds no space before the text."""
    if isinstance(definition, dict):
        inner = {key: _never_prepend(value) for key, value in definition.items() if key != "vocab"}
        if definition.get("type") == "Metaspace" and definition.get("prepend_scheme") == "first":
            inner["prepend_scheme"] = "never"
        return {**definition, **inner}
    if isinstance(definition, list) and definition and isinstance(definition[0], dict):
        return [_never_prepend(item) for item in definition]
    return definition


def _tojson(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise(message: str) -> None:
    raise TemplateError(message)
