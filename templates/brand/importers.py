"""A brand's own texts as this template's examples: each paragraph is a text, and its brief is made from it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from kit.errors import InputError, Problem, nearest
from kit.task import Example

from .checks import key_words
from .paragraphs import paragraphs, text_files
from .schema import BriefRequest, BriefResponse, Channel
from .voice import sentences_in, words_in

BrandExample = Example[BriefRequest, BriefResponse]
MOST_FACTS, MOST_WORDS = 20, 14  # facts of a brief, and words of a fact
BLOCK = 20  # paragraphs of a file in one group: neighbours speak of the same things
_TOKEN = re.compile(r"\d+(?:[.,:]\d+)*|\w+(?:['’]\w+)*")
_SETTINGS = ("channel",)


def texts(path: Path, settings: Mapping[str, str]) -> Sequence[BrandExample]:
    """Plain texts of one author: a .txt or .md file, or a folder of them. Each paragraph of 8 to 120 words is a text.

    Setting `channel`: email, post (the default), product or notice. The brief has a fact for each sentence: its words
    without common ones. Public-domain novels are such files too.
    """
    channel = _channel(settings)
    rows = [row for file in text_files(path) for row in _rows(file, channel)]
    if not rows:
        raise InputError("There is no paragraph of 8 to 120 words.", str(path), "Put a blank line between paragraphs.")
    return rows


importers = {"texts": texts}


def _channel(settings: Mapping[str, str]) -> Channel:
    known: dict[str, Channel] = {name: name for name in get_args(Channel)}
    problems = [
        Problem(f"This importer has no setting '{name}'.", "--set", nearest(name, _SETTINGS) or "Known: channel.")
        for name in settings
        if name not in _SETTINGS
    ]
    chosen = settings.get("channel", "post")
    if chosen not in known:
        problems.append(Problem(f"There is no channel '{chosen}'.", "--set channel", f"Known: {', '.join(known)}."))
    if problems:
        raise InputError(problems)
    return known[chosen]


def _rows(file: Path, channel: Channel) -> Iterator[BrandExample]:
    seen: set[str] = set()
    for number, text in enumerate(paragraphs(file)):
        brief = tuple(_facts(text))[:MOST_FACTS]
        if not brief or text in seen:
            continue
        seen.add(text)
        limit = -(-len(words_in(text)) // 10) * 10
        yield BrandExample(
            id=f"{file.stem}-{number + 1:05}",
            request=BriefRequest(brief=brief, channel=channel, max_words=limit),
            response=BriefResponse(text=text),
            group=f"{file.stem}-{number // BLOCK}",
            provenance={"file": file.name},
        )


def _facts(text: str) -> Iterator[str]:
    """Yield the words of each sentence that carry it: numbers, and words that are not common."""
    for sentence in sentences_in(text):
        words = [word for word in _TOKEN.findall(sentence) if word[0].isdigit() or key_words(word)]
        if words:
            yield " ".join(words[:MOST_WORDS])[:300]
