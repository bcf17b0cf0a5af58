"""The tokenizer: byte-level BPE for any bytes, single digits, and a template under which dialogues only grow."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from pretrain.texts.pieces import END_OF_TEXT, FILL_MIDDLE, FILL_PREFIX, FILL_SUFFIX

TURN_START, TURN_END, PAD = "<|im_start|>", "<|im_end|>", "<|pad|>"
SPECIALS = (END_OF_TEXT, TURN_START, TURN_END, FILL_PREFIX, FILL_SUFFIX, FILL_MIDDLE, PAD)
VOCABULARY = 8192
SAMPLE = 2_500_000
"""Number of characters per domain from which merges are learned."""

_TEMPLATE = """\
{% for m in messages %}<|im_start|>{{m['role']}}
{{m['content']}}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


def train_tokenizer(texts: Iterable[str], folder: Path, vocabulary: int = VOCABULARY) -> None:
    """Learn merges over bytes (Sennrich et al. 2016), and write the tokenizer's files into a folder.

    All 256 bytes are in the vocabulary, so every text can be encoded; digits are never merged.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(_TEMPLATE, encoding="utf-8")
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": TURN_END,
        "pad_token": PAD,
        "model_max_length": 2048,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration, indent=2) + "\n", encoding="utf-8")


def sample(texts: Mapping[str, list[str]], seed: int, size: int = SAMPLE) -> Iterator[str]:
    """Yield a similar number of characters of each set, in random pieces; small sets are read whole."""
    for name, listed in texts.items():
        draw = random.Random(f"{seed}/tokenizer/{name}")
        total = sum(map(len, listed))
        for text in listed:
            for start in range(0, len(text), 5000):
                if draw.random() * total < size:
                    yield text[start : start + 5000]
