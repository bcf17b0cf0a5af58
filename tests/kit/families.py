"""Small tokenizers built the way each supported family builds its own: pre-tokenizer, added tokens, turn markers.

The vocabularies are trained on this project's own text, and the chat templates are our own. The tokenizer's steps are
those of the family, because a renderer can get these wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from kit.base import NANO

CORPUS = [path.read_text() for path in sorted((NANO.parent.parent).glob("*.py"))]
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

CHATML = (
    "{%- for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor -%}"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and not enable_thinking %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif -%}"
    "{%- endif -%}"
)
HEADERS = (
    "{{- bos_token }}{%- for m in messages %}{{- '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' }}"
    "{{- m.content | trim + '<|eot_id|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"
)
TURNS = (
    "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) }}\n"
    "{{ m.content | trim }}<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
INSTRUCTIONS = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}{{ m.content + eos_token }}"
    "{% else %}{{ '[INST] ' + m.content + '[/INST]' }}{% endif %}{% endfor %}"
)
PLAIN_ROLES = (
    "{% for m in messages %}{{ '<|' + m.role + '|>' + '\\n' + m.content + '<|end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
ROLE_MARKS = (
    "{% for m in messages %}{{ '<|start_of_role|>' + m.role + '<|end_of_role|>' + m.content + '<|end_of_text|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_of_role|>assistant<|end_of_role|>' }}{% endif %}"
)


@dataclass(frozen=True)
class Family:
    """How one family of models tokenises and marks turns."""

    template: str
    specials: tuple[str, ...]
    eos: str
    pad: str
    shape: Callable[[Tokenizer], None]
    bos: str | None = None
    unmarked: tuple[str, ...] = ()  # added tokens that are not flagged special
    strips: bool = False  # added tokens swallow the white space after them
    ignore_merges: bool = False


def _words_then_bytes(tokenizer: Tokenizer) -> None:
    split = pre_tokenizers.Split(Regex(WORDS), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()


def _normalised_words_then_bytes(tokenizer: Tokenizer) -> None:
    tokenizer.normalizer = normalizers.NFC()
    _words_then_bytes(tokenizer)


def _blanks_as_letters(tokenizer: Tokenizer) -> None:
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])


def _blank_first(tokenizer: Tokenizer) -> None:
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first", split=False)


FAMILIES = {
    "qwen": Family(
        CHATML,
        ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        "<|im_end|>",
        "<|endoftext|>",
        _normalised_words_then_bytes,
        unmarked=("<think>", "</think>", "<tool_call>"),
    ),
    "llama": Family(
        HEADERS,
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|pad|>"),
        "<|eot_id|>",
        "<|pad|>",
        _words_then_bytes,
        bos="<|begin_of_text|>",
        ignore_merges=True,
    ),
    "gemma": Family(
        TURNS,
        ("<pad>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        "<eos>",
        "<pad>",
        _blanks_as_letters,
        bos="<bos>",
    ),
    "mistral": Family(
        INSTRUCTIONS, ("<s>", "</s>", "<pad>", "[INST]", "[/INST]"), "</s>", "<pad>", _blank_first, bos="<s>"
    ),
    "phi": Family(
        PLAIN_ROLES,
        ("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        "<|end|>",
        "<|endoftext|>",
        _words_then_bytes,
        strips=True,
    ),
    "granite": Family(
        ROLE_MARKS,
        ("<|end_of_text|>", "<|start_of_role|>", "<|end_of_role|>", "<|pad|>"),
        "<|end_of_text|>",
        "<|pad|>",
        _words_then_bytes,
    ),
}


def build(family: Family, folder: Path) -> Path:
    """Write the family's tokenizer and chat template to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE(byte_fallback=family.shape is _blanks_as_letters))
    family.shape(tokenizer)
    specials = [AddedToken(text, special=True, rstrip=family.strips, normalized=False) for text in family.specials]
    alphabet = pre_tokenizers.ByteLevel.alphabet() if family.shape is not _blanks_as_letters else []
    tokenizer.train_from_iterator(
        CORPUS, trainers.BpeTrainer(vocab_size=2000, special_tokens=specials, initial_alphabet=alphabet)
    )
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in family.unmarked])
    definition = json.loads(tokenizer.to_str())
    definition["model"]["ignore_merges"] = family.ignore_merges
    (folder / "tokenizer.json").write_text(json.dumps(definition, ensure_ascii=False))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": family.eos, "pad_token": family.pad}
    beginning = {"bos_token": family.bos} if family.bos else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(config | beginning))
    (folder / "chat_template.jinja").write_text(family.template)
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3"}))
    return folder
